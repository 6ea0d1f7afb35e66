// `distillery cancel RUN`: cancels a run and waits for its receipt.

import { Command } from 'commander';
import { attachRun, type ClientResult } from '../../../protocol/client/client.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { runSession } from '../call/run-session.ts';
import { exitCodeForResult, exitCodes } from '../exit-codes.ts';
import { withRun } from '../gateway/resolve-run.ts';
import { type GatewayFlags, gatewayOptionTexts, withGateway } from './gateway-options.ts';
import { parseRunId, runArgumentText } from './run-id.ts';

interface CancelFlags extends GatewayFlags {
  readonly quiet?: true;
  readonly wait: boolean;
  readonly result?: string;
}

const helpFooter = `
Prints outcome and receipt on stderr. If the run has already ended, prints its result and does
nothing. Ctrl-C skips the grace; a second one exits without waiting.

Exit codes: 0 the run has ended, regardless of its outcome, or with --no-wait was asked to stop; 2 no
such run, or permission denied; 125 the gateway cannot be reached.

Examples:
  $ distillery cancel jyxrpkmyae2agpug
  $ distillery cancel --no-wait jyxrpkmyae2agpug`;

export function cancelCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('cancel')
    .summary('cancel a run')
    .description('Cancels a run and waits until everything that the run started is gone.')
    .argument('<run>', runArgumentText, parseRunId)
    .option('--no-wait', 'do not wait for the end of the run')
    .option('--url <url>', gatewayOptionTexts.url)
    .option('--config <file>', gatewayOptionTexts.config)
    .option('-q, --quiet', 'print no status')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', helpFooter)
    .action(async (run: string, flags: CancelFlags) => exit(await cancel(run, flags, { backend, stdio })));
}

function cancel(
  named: string,
  flags: CancelFlags,
  { backend, stdio }: { backend: CliBackend; stdio: Stdio },
): Promise<number> {
  const { result, wait } = flags;
  return withGateway(flags, { backend, stdio }, (address) =>
    withRun(named, { address, stdio }, (run) =>
      runSession(
        {
          address,
          quiet: flags.quiet === true,
          reconnect: true,
          onInterrupt: 'cancel',
          detachedNote: 'the run was asked to stop',
          output: 'nowhere',
          input: 'untouched',
          ...(result !== undefined && { resultFile: result }),
          open: (link) => attachRun({ ...link, run, last: 0 }),
          onRun: (open) => {
            open.cancel();
            if (!wait) open.detach();
          },
          errorForNotice: (notice) =>
            notice === 'read-only' ? 'permission denied: you may not cancel this run' : undefined,
          exitCode: (ended) => (isRunOutcome(ended) ? exitCodes.succeeded : exitCodeForResult(ended)),
        },
        stdio,
      ),
    ),
  );
}

/** True for every outcome of the run itself; false if the run is unknown or the request was rejected. */
function isRunOutcome({ status, lost }: ClientResult): boolean {
  return lost === undefined && status !== 'rejected';
}
