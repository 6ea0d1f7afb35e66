// `distillery attach RUN`: watches a run that exists, live or over, and feeds it if asked to.

import { Command } from 'commander';
import { attachRun } from '../../../protocol/client.ts';
import { runAtTerminal } from '../call/run-at-terminal.ts';
import type { Ends, House } from '../parts.ts';
import { wholeNumber } from './numbers.ts';
import { runId } from './run-id.ts';
import { atGateway, whereTexts, type WhereFlags } from './where.ts';

interface AttachFlags extends WhereFlags {
  readonly after?: number;
  readonly tail?: number;
  readonly input?: true;
  readonly quiet?: true;
  readonly reconnect: boolean;
  readonly result?: string;
}

const after = `
Ctrl-C leaves the run, which goes on, and says how to come back to the exact line; "distillery cancel" stops it.

Exit codes: those of "distillery call"; 0 when the run was left.

Examples:
  $ distillery attach jyxrpkmyae2agpug
  $ distillery attach --after 1200 jyxrpkmyae2agpug
  $ distillery attach --tail 20 --input jyxrpkmyae2agpug`;

export function attachCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('attach')
    .summary('watch a run that exists')
    .description('Watch a run to its end, from its beginning or from any line. Output goes to stdout, status to stderr.')
    .argument('<run>', 'id of the run', runId)
    .option('--after <lines>', 'lines (of a terminal: bytes) that are known already', wholeNumber)
    .option('--tail <lines>', 'begin with the last so many', wholeNumber)
    .option('-i, --input', 'feed the run with stdin; who fed it before does so no more')
    .option('--url <url>', whereTexts.url)
    .option('--config <file>', whereTexts.config)
    .option('-q, --quiet', 'no status on stderr')
    .option('--no-reconnect', 'end when the connection is lost')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', after)
    .action(async (run: string, flags: AttachFlags) => exit(await attach(run, flags, { house, ends })));
}

function attach(run: string, flags: AttachFlags, { house, ends }: { house: House; ends: Ends }): Promise<number> {
  const { tail, result, input = false } = flags;
  return atGateway(flags, { house, ends }, (url) => runAtTerminal({
    url, quiet: flags.quiet === true, reconnect: flags.reconnect, onInterrupt: 'leave', output: 'stdout', input: input ? 'stdin' : 'untouched',
    ...(result !== undefined && { resultFile: result }),
    open: (link) => attachRun({ ...link, run, input, ...(tail === undefined ? { after: flags.after ?? 0 } : { last: tail }) }),
  }, ends));
}
