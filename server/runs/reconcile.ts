// At start: what an earlier gateway on this data folder left behind is ended, and its runs get their outcome and receipt.

import type { ObligationEntry } from '../../calls/contract/ports.ts';
import type { Left, Receipt, Released, RunRecord } from '../../protocol/record.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Logger } from '../support/logger.ts';
import { nameOf, releaseEntry, type Releasers } from './cleanup.ts';
import { RunLog } from './log/log.ts';
import { shapeOf } from './facts.ts';
import type { RunStore } from './store.ts';

export interface ReconcileParts {
  readonly store: RunStore;
  readonly releasers: Releasers;
  readonly limits: Limits;
  readonly log: Logger;
  /** Where the log of a run is. */
  readonly folderOf: (run: string) => string;
  /** True when the run goes on here. Never throws. */
  readonly adopt: (record: RunRecord) => Promise<boolean>;
}

/** To be called before the first run is started. Never throws for the sake of one run. */
export async function reconcile(parts: ReconcileParts): Promise<void> {
  const unended = parts.store.unended();
  const known = new Set(unended.map((record) => record.id));
  const adopted = await Promise.all(unended.map((record) => parts.adopt(record)));
  const lost = unended.filter((_record, i) => !adopted[i]);
  // Obligations of runs that had ended with something left: another try. Their receipt stands, it was true when it was written.
  const retried = parts.store.owing().filter((run) => !known.has(run)).map((run) => releaseAll(parts, run));
  const receipts = await Promise.all(lost.map((record) => releaseAll(parts, record.id)));
  await Promise.all(retried);
  // One after the other: there may be thousands, and each opens its files.
  for (const [i, record] of lost.entries()) await settle(parts, record, receipts[i]!);
}

async function settle(parts: ReconcileParts, record: RunRecord, cleanup: Receipt): Promise<void> {
  const { store, log } = parts;
  const size = await recovered(parts, record);
  // A run begins only when that is stored.
  const began = record.state !== 'queued';
  attempt(log, record.id, () => store.update({
    ...record, state: 'ended', outcome: began ? 'unknown' : 'rejected', message: began ? lostText : notBegunText,
    endedAt: new Date().toISOString(), lines: size.line, bytes: size.byte, cleanup,
  }));
  log.warn({ run: record.id, clean: cleanup.clean }, began ? 'a run was lost sight of and is now ended' : 'a run was waiting for its turn and is now ended');
}

const lostText = 'the gateway ended before the end of this run was recorded; what became of it was not seen';
const notBegunText = 'the gateway ended before it was the turn of this run; it was never started';

/** Its log is brought to whole lines, and told how much there is. */
async function recovered({ store, limits, log, folderOf }: ReconcileParts, record: RunRecord): Promise<{ readonly line: number; readonly byte: number }> {
  const facts = store.facts(record.id);
  try {
    const resumed = await RunLog.resume(folderOf(record.id), {
      shape: shapeOf(facts?.kind ?? 'process'), limits: { ...limits, ...(facts !== undefined && { lineBytesMax: facts.lineBytesMax, outputBytesMax: facts.outputBytesMax }) },
      onFailure: (error) => log.error({ run: record.id, err: error }, 'the log of a lost run cannot be written'),
    });
    await resumed.log.close();
    const { line, byte } = resumed.log.position;
    // What was there once, and is not any more, was there all the same.
    return { line: Math.max(line, record.lines), byte: Math.max(byte, record.bytes) };
  } catch (error) {
    log.error({ run: record.id, err: error }, 'the log of a lost run cannot be read');
    return { line: record.lines, byte: record.bytes };
  }
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
