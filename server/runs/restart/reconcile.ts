// At start: releases what an earlier gateway left open in this data folder, and ends the runs it lost.

import type { ObligationEntry } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Left, Receipt, Released, RunRecord } from '../../../protocol/run-record.ts';
import type { Logger } from '../../support/logger.ts';
import { type Releasers, receiptLine, releaseEntry } from '../cleanup.ts';
import { RunLog } from '../log/log.ts';
import type { LateWork } from '../run.ts';
import { chooseLogForm } from '../run-spec.ts';
import type { RunStore } from '../store/store.ts';

export interface ReconcileDeps {
  readonly store: RunStore;
  readonly releasers: Releasers;
  readonly limits: Limits;
  readonly log: Logger;
  /** Returns the folder of a run's log. */
  readonly runFolder: (run: string) => string;
  /** Resolves to true if this gateway continues the run. Never rejects. */
  readonly adopt: (record: RunRecord) => Promise<boolean>;
  /** Stores the final record of a lost run, as soon as the disk accepts it. */
  readonly storeLost: (record: RunRecord) => void;
}

/** Reconciles all runs. Call it before the first run starts. Does not reject because of an error in one run. */
export async function reconcile(deps: ReconcileDeps): Promise<void> {
  const unended = deps.store.listUnfinished();
  const adopted = await Promise.all(unended.map((record) => deps.adopt(record)));
  const lost = unended.filter((_record, i) => !adopted[i]);
  const receipts = await Promise.all(lost.map((record) => releaseObligations(deps, record.id)));
  // Finalize runs one after another: there may be thousands, and each opens files.
  for (const [i, record] of lost.entries()) await finalizeLostRun(deps, record, receipts[i]!);
}

async function finalizeLostRun(deps: ReconcileDeps, record: RunRecord, cleanup: Receipt): Promise<void> {
  const { storeLost, log } = deps;
  const size = await recoverLogSize(deps, record);
  // The state `running` is stored before a run starts, so a run that is stored as queued has not started.
  const hasStarted = record.state !== 'queued';
  const { durationMs, ...known } = record;
  storeLost({
    ...known,
    state: 'ended',
    outcome: hasStarted ? 'unknown' : 'rejected',
    message: hasStarted ? lostText : notStartedText,
    endedAt: new Date().toISOString(),
    lines: size.line,
    bytes: size.byte,
    cleanup,
  });
  log.warn(
    { run: record.id, call: record.call, caller: record.caller, clean: cleanup.clean },
    hasStarted ? 'marked a run as ended; its outcome is unknown' : 'marked a queued run as ended',
  );
}

const lostText = 'the gateway ended before the end of this run was recorded; its exit status is unknown';
const notStartedText = 'the gateway ended before this run could start';

/** Truncates the log to whole lines and returns its size. */
async function recoverLogSize(
  { store, limits, log, runFolder }: ReconcileDeps,
  record: RunRecord,
): Promise<{ readonly line: number; readonly byte: number }> {
  const spec = store.getSpec(record.id);
  try {
    const resumed = await RunLog.resume(runFolder(record.id), {
      ...chooseLogForm(spec ?? { kind: 'process' }),
      limits: {
        ...limits,
        ...(spec !== undefined && { lineBytesMax: spec.lineBytesMax, outputBytesMax: spec.outputBytesMax }),
      },
      onFailure: (error) => log.error({ run: record.id, err: error }, 'cannot write the log of a lost run'),
    });
    await resumed.log.close();
    const { line, byte } = resumed.log.position;
    // Output that retention has removed still counts, and only the record knows it.
    return { line: Math.max(line, record.lines), byte: Math.max(byte, record.bytes) };
  } catch (error) {
    log.error({ run: record.id, err: error }, 'cannot read the log of a lost run');
    return { line: record.lines, byte: record.bytes };
  }
}

interface ReleaseManner {
  /** Aborted to skip the grace. */
  readonly force: AbortSignal;
  /** Present if this process may still be creating what is left. */
  readonly creationOf?: LateWork['creationOf'] | undefined;
}

/** Releases the open obligations of a run. Never rejects. */
export async function releaseObligations(
  deps: Pick<ReconcileDeps, 'store' | 'releasers' | 'limits' | 'log'>,
  run: string,
  manner: ReleaseManner = { force: new AbortController().signal },
): Promise<Receipt> {
  const released: Released[] = [];
  const left: Left[] = [];
  for (const entry of deps.store.openObligations(run)) {
    const line = receiptLine(entry);
    const started = performance.now();
    const release = await releaseEntry(deps.releasers, entry, releaseOptions(deps, entry, manner));
    if ('left' in release) left.push({ ...line, why: release.left });
    else released.push({ ...line, how: release.how, ms: Math.round(performance.now() - started) });
    // Also delete deferred work: it could only run in its own gateway process, so nothing can do it now.
    if ('how' in release || entry.kind === 'deferred')
      deps.store.deleteObligation(entry, (error) => logFault(deps.log, run, error));
  }
  return { clean: left.length === 0, released, left };
}

function logFault(log: Logger, run: string, error: unknown): void {
  if (error !== undefined) log.error({ run, err: error }, 'cannot delete a released obligation; trying again');
}

function releaseOptions(
  { limits, log }: Pick<ReconcileDeps, 'limits' | 'log'>,
  { run, id }: ObligationEntry,
  { force, creationOf = () => Promise.resolve() }: ReleaseManner,
) {
  return {
    release: {
      stop: { signal: 'SIGTERM', graceMs: limits.graceMs } as const,
      force,
      pending: creationOf(id),
    },
    releaseMs: limits.releaseMs,
    onFault: (error: unknown) => log.error({ run, err: error }, 'cannot release an obligation'),
  };
}
