// At start: what an earlier gateway on this data folder left behind is ended, and its runs get their outcome and receipt.

import type { ObligationEntry } from '../../calls/contract/ports.ts';
import type { Left, Receipt, Released, RunRecord } from '../../protocol/record.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Logger } from '../support/logger.ts';
import { nameOf, releaseEntry, type Releasers } from './cleanup.ts';
import { measure } from './reading.ts';
import type { RunStore } from './store.ts';

export interface ReconcileParts {
  readonly store: RunStore;
  readonly releasers: Releasers;
  readonly limits: Limits;
  readonly log: Logger;
  /** Where the log of a run is. */
  readonly folderOf: (run: string) => string;
}

/** To be called before the first run is started. Never throws for the sake of one run. */
export async function reconcile(parts: ReconcileParts): Promise<void> {
  const lost = parts.store.unended();
  const known = new Set(lost.map((record) => record.id));
  // Obligations of runs that had ended with something left: another try. Their receipt stands, it was true when it was written.
  const retried = parts.store.owing().filter((run) => !known.has(run)).map((run) => releaseAll(parts, run));
  const receipts = await Promise.all(lost.map((record) => releaseAll(parts, record.id)));
  await Promise.all(retried);
  // One after the other: there may be thousands, and each opens its files.
  for (const [i, record] of lost.entries()) await settle(parts, record, receipts[i]!);
}

async function settle({ store, log, folderOf }: ReconcileParts, record: RunRecord, cleanup: Receipt): Promise<void> {
  const size = await measure(folderOf(record.id)).catch((error: unknown) => {
    log.error({ run: record.id, err: error }, 'the log of a lost run cannot be read');
    return undefined;
  });
  attempt(log, record.id, () => store.update({
    ...record, state: 'ended', outcome: 'unknown', message: 'the gateway ended before the end of this run was recorded; what became of it was not seen',
    endedAt: new Date().toISOString(), lines: size?.line ?? record.lines, bytes: size?.byte ?? record.bytes, cleanup,
  }));
  log.warn({ run: record.id, clean: cleanup.clean }, 'a run was lost sight of and is now ended');
}

async function releaseAll(parts: ReconcileParts, run: string): Promise<Receipt> {
  const released: Released[] = [];
  const left: Left[] = [];
  for (const entry of parts.store.open(run)) {
    const { kind } = entry;
    const id = nameOf(entry);
    const started = performance.now();
    const release = await releaseEntry(parts.releasers, entry, boundsOf(parts, entry));
    if ('left' in release) left.push({ kind, id, why: release.left });
    else released.push({ kind, id, how: release.how, ms: Math.round(performance.now() - started) });
    // Deferred work went with the gateway that had it: nobody can try again.
    if ('how' in release || kind === 'deferred') attempt(parts.log, run, () => parts.store.strike(entry));
  }
  return { clean: left.length === 0, released, left };
}

/** The disk may refuse; the next start tries again. */
function attempt(log: Logger, run: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    log.error({ run, err: error }, 'the store refuses what became of a run');
  }
}

function boundsOf({ limits, log }: ReconcileParts, { run }: ObligationEntry) {
  return {
    manner: { stop: { signal: 'SIGTERM', graceMs: limits.graceMs } as const, hurry: new AbortController().signal, flow: Promise.resolve() },
    releaseMs: limits.releaseMs,
    onFault: (error: unknown) => log.error({ run, err: error }, 'a release failed'),
  };
}
