// Logs the start and the end of each run for the operator.

import type { RunRecord } from '../../protocol/run-record.ts';
import type { Logger } from '../support/logger.ts';

/** What the log needs of a run. */
export interface LoggedRun {
  readonly record: RunRecord;
  readonly ended: Promise<RunRecord>;
  onState(listener: (record: RunRecord) => void): () => void;
}

/** Logs one line when `run` starts or continues, and one when it has ended. Never logs params or output. */
export function logRun(run: LoggedRun, log: Logger): void {
  if (run.record.state === 'running') log.info(identify(run.record), 'run continued');
  const unsubscribe = run.onState((record) => {
    if (record.state === 'running') log.info(identify(record), 'run started');
  });
  void run.ended.then((record) => {
    unsubscribe();
    logRunEnd(record, log);
  });
}

/** Logs the end of a run. A run that never started has no duration. */
function logRunEnd(record: RunRecord, log: Logger): void {
  const { outcome, durationMs: ms, exitCode, signal, cleanup } = record;
  const fields = { outcome, ms, exitCode, signal, ...(cleanup?.clean === false && { clean: false }) };
  log.info({ ...identify(record), ...fields }, 'run ended');
}

function identify({ id, call, caller }: RunRecord): Pick<RunRecord, 'call' | 'caller'> & { readonly run: string } {
  return { run: id, call, caller };
}
