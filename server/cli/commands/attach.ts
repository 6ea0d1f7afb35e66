// `distillery attach RUN`: watches an active or ended run, and can send its input.

import { Command } from 'commander';
import { attachRun } from '../../../protocol/client/client.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { runSession } from '../call/run-session.ts';
import { withRun } from '../gateway/resolve-run.ts';
import { choosePipelineView } from '../pipeline/choose-view.ts';
import { type GatewayFlags, gatewayOptionTexts, withGateway } from './gateway-options.ts';
import { parseWholeNumber } from './parse-number.ts';
import { parseRunId, runArgumentText } from './run-id.ts';

interface AttachFlags extends GatewayFlags {
  readonly after?: number;
  readonly tail?: number;
  readonly input?: true;
  readonly quiet?: true;
  readonly plain?: true;
  readonly reconnect: boolean;
  readonly result?: string;
}

const helpFooter = `
Ctrl-C detaches from the run, which continues, and prints the command that resumes at the exact
line. To stop the run, use "distillery cancel".

Exit codes: those of "distillery call"; 0 after detaching.

Examples:
  $ distillery attach jyxrpkmyae2agpug
  $ distillery attach --after 1200 jyxrpkmyae2agpug
  $ distillery attach --tail 20 --input jyxrpkmyae2agpug`;

export function attachCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('attach')
    .summary('watch an existing run')
    .description(
      'Watches a run to its end, from its first line or any other line. Prints output on stdout and status on stderr.',
    )
    .argument('<run>', runArgumentText, parseRunId)
    .option('--after <lines>', 'skip this many lines (for a terminal and for output of bytes: bytes)', parseWholeNumber)
    .option('--tail <lines>', 'start this many lines before the current end', parseWholeNumber)
    .option('-i, --input', 'send stdin to the run; the session that had the input loses it')
    .option('--url <url>', gatewayOptionTexts.url)
    .option('--config <file>', gatewayOptionTexts.config)
    .option('--plain', 'print the lines of a pipeline instead of its live view')
    .option('-q, --quiet', 'print no status')
    .option('--no-reconnect', 'exit if the connection is lost')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', helpFooter)
    .action(async (run: string, flags: AttachFlags) => exit(await attach(run, flags, { backend, stdio })));
}

function attach(
  named: string,
  flags: AttachFlags,
  { backend, stdio }: { backend: CliBackend; stdio: Stdio },
): Promise<number> {
  const { tail, result, input = false } = flags;
  return withGateway(flags, { backend, stdio }, (address) =>
    withRun(named, { address, stdio }, (run) =>
      runSession(
        {
          address,
          quiet: flags.quiet === true,
          reconnect: flags.reconnect,
          onInterrupt: 'detach',
          output: 'stdout',
          input: input ? 'stdin' : 'untouched',
          pipelineView: () => choosePipelineView(flags, stdio),
          ...(result !== undefined && { resultFile: result }),
          open: (link) =>
            attachRun({ ...link, run, input, ...(tail === undefined ? { after: flags.after ?? 0 } : { last: tail }) }),
        },
        stdio,
      ),
    ),
  );
}
