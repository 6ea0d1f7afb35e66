// Ends the runs of a copied data folder without releasing anything: they belong to the gateway whose folder was copied.

import type { Left } from '../../../protocol/run-record.ts';
import { receiptLine } from '../cleanup.ts';
import type { RunStore } from '../store/store.ts';

const reason = 'it belongs to the gateway whose data folder was copied';

/** Ends the unfinished runs of the store as unknown and clears the journal, without releasing anything. */
export function endCopiedRuns(store: RunStore): void {
  for (const { durationMs: _, ...record } of store.listUnfinished()) {
    const left = store.openObligations(record.id).map((entry): Left => ({ ...receiptLine(entry), why: reason }));
    store.update({
      ...record,
      state: 'ended',
      outcome: 'unknown',
      message: 'the data folder was copied while this run was active; the gateway of the original knows its end',
      endedAt: new Date().toISOString(),
      cleanup: { clean: left.length === 0, released: [], left },
    });
  }
  for (const run of store.runsWithObligations())
    for (const entry of store.openObligations(run)) store.deleteObligation(entry);
  store.flush();
}
