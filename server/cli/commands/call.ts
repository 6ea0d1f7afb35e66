// `distillery call NAME [PARAM…]`: makes a call and stays with its run to the end.

import { Command } from 'commander';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { openCall } from '../../../protocol/client.ts';
import { runAtTerminal } from '../call/run-at-terminal.ts';
import type { Ends, House } from '../parts.ts';
import { runId } from './run-id.ts';
import { atGateway, whereTexts, type WhereFlags } from './where.ts';

interface CallFlags extends WhereFlags {
  readonly quiet?: true;
  readonly stdin: boolean;
  readonly result?: string;
  readonly detach?: true;
  readonly id?: string;
  readonly onDisconnect?: string;
  readonly reconnect: boolean;
}

const after = `
Where the gateway is: --url, else --config, else the environment variable DISTILLERY_URL, else http.listen of
./distillery.yaml, else http://127.0.0.1:8080.

A connection that is lost is made again, for a minute, and the run is gone on with where it was left. --on-disconnect says
what becomes of the run until then; without it, what the call says.

Ctrl-C cancels the run and waits until everything it started is gone; a second one skips the grace; a third one leaves
at once. Params that begin with a dash go after "--".

Exit codes: 0 succeeded, or with --detach accepted; the work's own when it failed (128 + n for signal n, 1 when there is none); 2 rejected;
124 timed out; 125 unknown, or the gateway cannot be reached; 130 cancelled.

Examples:
  $ distillery call greet world
  $ distillery call count < words.txt | head -1
  $ distillery call --url http://127.0.0.1:9090 --quiet greet world
  $ distillery call greet -- --world
  $ run=$(distillery call --detach count 100000) && distillery attach "$run"`;

export function callCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('call')
    .summary('make a call and watch its run')
    .description('Make a call. Its output goes to stdout line by line, its status to stderr, stdin is its input.')
    .argument('<name>', 'the call')
    .argument('[param...]', 'its params, in order')
    .option('--url <url>', whereTexts.url)
    .option('--config <file>', whereTexts.config)
    .option('-q, --quiet', 'no status on stderr')
    .option('-d, --detach', 'leave the run to itself as soon as it is accepted, without input; its id goes to stdout')
    .option('--id <run>', 'id of the run; if there is such a run of this call, it is gone on with', runId)
    .option('--on-disconnect <policy>', 'what becomes of the run while nobody is connected: cancel, detach, or grace:30s')
    .option('--no-reconnect', 'end when the connection is lost')
    .option('-n, --no-stdin', 'do not read stdin; the input of the run ends at once')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', after)
    .action(async (name: string, params: string[], flags: CallFlags) => exit(await call(name, params, { flags, house, ends })));
}

interface CallParts {
  readonly flags: CallFlags;
  readonly house: House;
  readonly ends: Ends;
}

function call(name: string, params: readonly string[], { flags, house, ends }: CallParts): Promise<number> {
  const { id, result } = flags;
  const detach = flags.detach === true;
  const onDisconnect = flags.onDisconnect ?? (detach ? 'detach' : undefined);
  let accepted = false;
  return atGateway(flags, { house, ends }, (url) => runAtTerminal({
    url, quiet: flags.quiet === true, reconnect: flags.reconnect, onInterrupt: 'cancel',
    output: detach ? 'nowhere' : 'stdout', input: flags.stdin && !detach ? 'stdin' : 'ended',
    ...(result !== undefined && { resultFile: result }),
    open: (link, screen) => openCall({
      ...link, call: name, params, ...(id !== undefined && { run: id }), ...(onDisconnect !== undefined && { onDisconnect }), ...(screen !== undefined && { terminal: screen }),
    }),
    ...(detach && {
      onRun: (open) => {
        accepted = true;
        ends.stdout.write(`${open.id}\n`);
        open.detach();
      },
      exitCode: (ended) => (accepted ? exitCodes.succeeded : exitCodeOf(ended)),
    }),
  }, ends));
}
