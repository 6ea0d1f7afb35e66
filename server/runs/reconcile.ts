// At start: what an earlier gateway on this data folder left behind is ended, and its runs get their outcome and receipt.

import type { ObligationEntry } from '../../calls/contract/ports.ts';
import type { Left, Receipt, Released, RunRecord } from '../../protocol/record.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Logger } from '../support/logger.ts';
import { releaseEntry, type Releasers } from './cleanup.ts';
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
  await Promise.all(lost.map((record) => settle(parts, record)));
  const ended = new Set(lost.map((record) => record.id));
  // Obligations of runs that had ended with something left: another try. Their receipt stands, it was true when it was written.
  for (const run of parts.store.owing()) if (!ended.has(run)) await releaseAll(parts, run);
}

async function settle(parts: ReconcileParts, record: RunRecord): Promise<void> {
  const cleanup = await releaseAll(parts, record.id);
  const size = await measure(parts.folderOf(record.id)).catch(() => ({ line: record.lines, byte: record.bytes }));
  parts.store.update({
    ...record, state: 'ended', outcome: 'unknown', message: 'the gateway ended while this was running; what became of it was not seen',
    endedAt: new Date().toISOString(), lines: size.line, bytes: size.byte, cleanup,
  });
  parts.log.warn({ run: record.id, clean: cleanup.clean }, 'a run was lost sight of and is now ended');
}

async function releaseAll(parts: ReconcileParts, run: string): Promise<Receipt> {
  const released: Released[] = [];
  const left: Left[] = [];
  for (const entry of parts.store.open(run)) {
    const { kind, id } = entry;
    const started = performance.now();
    const release = await releaseEntry(parts.releasers, entry, boundsOf(parts, entry));
    if ('left' in release) left.push({ kind, id, why: release.left });
    else {
      parts.store.strike(entry);
      released.push({ kind, id, how: release.how, ms: Math.round(performance.now() - started) });
    }
  }
  return { clean: left.length === 0, released, left };
}

function boundsOf({ limits, log }: ReconcileParts, { run }: ObligationEntry) {
  return {
    manner: { stop: { signal: 'SIGTERM', graceMs: limits.graceMs } as const, hurry: new AbortController().signal, flow: Promise.resolve() },
    releaseMs: limits.releaseMs,
    onFault: (error: unknown) => log.error({ run, err: error }, 'a release failed'),
  };
}
