// `distillery cancel RUN`: stops a run, and waits until everything it started is gone.

import { Command } from 'commander';
import { attachRun, type CallResult } from '../../../protocol/client.ts';
import { runAtTerminal } from '../call/run-at-terminal.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import type { Ends, House } from '../parts.ts';
import { runId } from './run-id.ts';
import { atGateway, whereTexts, type WhereFlags } from './where.ts';

interface CancelFlags extends WhereFlags {
  readonly quiet?: true;
  readonly wait: boolean;
  readonly result?: string;
}

const after = `
Outcome and receipt are on stderr. A run that is over already is told of, and nothing is done. Ctrl-C skips the grace; a
second one leaves without waiting.

Exit codes: 0 the run is over, however it ended, or with --no-wait asked to stop; 2 there is no such run, or it is not
yours to stop; 125 the gateway cannot be reached.

Examples:
  $ distillery cancel jyxrpkmyae2agpug
  $ distillery cancel --no-wait jyxrpkmyae2agpug`;

export function cancelCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('cancel')
    .summary('stop a run')
    .description('Stop a run in good order, and wait until everything it started is gone.')
    .argument('<run>', 'id of the run', runId)
    .option('--no-wait', 'ask the run to stop, and do not wait for that')
    .option('--url <url>', whereTexts.url)
    .option('--config <file>', whereTexts.config)
    .option('-q, --quiet', 'no status on stderr')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', after)
    .action(async (run: string, flags: CancelFlags) => exit(await cancel(run, flags, { house, ends })));
}

function cancel(run: string, flags: CancelFlags, { house, ends }: { house: House; ends: Ends }): Promise<number> {
  const { result, wait } = flags;
  return atGateway(flags, { house, ends }, (url) => runAtTerminal({
    url, quiet: flags.quiet === true, reconnect: true, onInterrupt: 'cancel', output: 'nowhere', input: 'untouched',
    ...(result !== undefined && { resultFile: result }),
    open: (link) => attachRun({ ...link, run, last: 0 }),
    onRun: (open) => {
      open.cancel();
      if (!wait) open.detach();
    },
    refused: (notice) => (notice === 'read-only' ? 'this run is not yours to stop' : undefined),
    exitCode: (ended) => (isOver(ended) ? exitCodes.succeeded : exitCodeOf(ended)),
  }, ends));
}

/** Whatever became of it; what is not known, or was refused, is no success. */
function isOver({ status, lost }: CallResult): boolean {
  return lost === undefined && status !== 'rejected';
}
