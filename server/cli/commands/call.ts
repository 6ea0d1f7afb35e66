// `distillery call NAME [PARAM…]`: makes a call and watches its run to the end.

import { Command } from 'commander';
import { openCall } from '../../../protocol/client/client.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { runSession } from '../call/run-session.ts';
import { exitCodeForResult, exitCodes } from '../exit-codes.ts';
import { choosePipelineView } from '../pipeline/choose-view.ts';
import { type GatewayFlags, gatewayOptionTexts, withGateway } from './gateway-options.ts';
import { parseRunId } from './run-id.ts';

interface CallFlags extends GatewayFlags {
  readonly quiet?: true;
  readonly plain?: true;
  readonly stdin: boolean;
  readonly result?: string;
  readonly detach?: true;
  readonly id?: string;
  readonly onDisconnect?: string;
  readonly reconnect: boolean;
}

const helpFooter = `
Address of the gateway: --url, else --config, else the environment variable DISTILLERY_URL, else
http.listen of ./distillery.yaml, else http://127.0.0.1:8080.

If the connection drops, the command reconnects for up to one minute and resumes at the exact
line. --on-disconnect sets what happens to the run meanwhile; the default depends on the call.

Ctrl-C cancels the run and waits until everything it started is gone. A second Ctrl-C skips the
grace, and a third one exits at once. Put params that begin with a dash after "--".

Exit codes: 0 succeeded, or accepted with --detach; the exit code of the run if it failed (128 + n
for signal n, 1 if it has none); 2 rejected; 124 timed out; 125 unknown, or the gateway cannot be
reached; 130 cancelled; 141 the reader of stdout closed the pipe.

Examples:
  $ distillery call greet world
  $ distillery call count < words.txt | head -1
  $ distillery call --url http://127.0.0.1:9090 --quiet greet world
  $ distillery call greet -- --world
  $ run=$(distillery call --detach count 100000) && distillery attach "$run"`;

export function callCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('call')
    .summary('make a call and watch its run')
    .description('Makes a call. Sends stdin to the run, prints its output on stdout and its status on stderr.')
    .argument('<name>', 'name of the call')
    .argument('[param...]', 'params of the call, in order')
    .option('--url <url>', gatewayOptionTexts.url)
    .option('--config <file>', gatewayOptionTexts.config)
    .option('--plain', 'print the lines of a pipeline instead of its live view')
    .option('-q, --quiet', 'print no status')
    .option('-d, --detach', 'print the id of the run and exit as soon as the run is accepted; sends no input')
    .option('--id <run>', 'id of the run; resumes a run of this call that has the id', parseRunId)
    .option(
      '--on-disconnect <policy>',
      'what happens to the run if this client disconnects: cancel, detach, or grace:30s',
    )
    .option('--no-reconnect', 'exit if the connection is lost')
    .option('-n, --no-stdin', "do not read stdin; the run's input ends at once")
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', helpFooter)
    .action(async (name: string, params: string[], flags: CallFlags) =>
      exit(await call(name, params, { flags, backend, stdio })),
    );
}

interface CallDeps {
  readonly flags: CallFlags;
  readonly backend: CliBackend;
  readonly stdio: Stdio;
}

function call(name: string, params: readonly string[], { flags, backend, stdio }: CallDeps): Promise<number> {
  const { id, result } = flags;
  const detach = flags.detach === true;
  const onDisconnect = flags.onDisconnect ?? (detach ? 'detach' : undefined);
  let accepted = false;
  return withGateway(flags, { backend, stdio }, (address) =>
    runSession(
      {
        address,
        quiet: flags.quiet === true,
        reconnect: flags.reconnect,
        onInterrupt: 'cancel',
        output: detach ? 'nowhere' : 'stdout',
        input: flags.stdin && !detach ? 'stdin' : 'ended',
        pipelineView: () => choosePipelineView(flags, stdio),
        ...(result !== undefined && { resultFile: result }),
        open: (link, screen) =>
          openCall({
            ...link,
            call: name,
            params,
            ...(id !== undefined && { run: id }),
            ...(onDisconnect !== undefined && { onDisconnect }),
            ...(screen !== undefined && { terminal: screen }),
          }),
        ...(detach && {
          onRun: (open) => {
            accepted = true;
            stdio.stdout.write(`${open.id}\n`);
            open.detach();
          },
          exitCode: (ended) => (accepted ? exitCodes.succeeded : exitCodeForResult(ended)),
        }),
      },
      stdio,
    ),
  );
}
