// Inserts runs that are too large for the disk into a store, then one that fits. Prints the results as JSON.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSpec } from '../../../../server/runs/run-spec.ts';
import { openStore } from '../../../../server/runs/store/store.ts';

const folder = process.argv[2]!;
const store = openStore(folder);
const ballast = join(folder, 'ballast');
const facts = (bytes: number): RunSpec => ({
  kind: 'process',
  params: { text: 'x'.repeat(bytes) },
  caller: { user: '', token: false, scopes: [] },
  stop: { signal: 'SIGTERM', graceMs: 0 },
  onDisconnect: { type: 'cancel' },
  mayDetach: false,
  stallAfterMs: 0,
  lineBytesMax: 100,
  outputBytesMax: 0,
});
const record = (id: string) =>
  ({ id, call: 'c', params: [], caller: '', node: 'n', state: 'queued', queuedAt: '', lines: 0, bytes: 0 }) as const;

try {
  writeFileSync(ballast, Buffer.alloc(1 << 20));
} catch {
  // The disk is full now.
}
const refused: string[] = [];
const wait = async (admit: () => Promise<void>): Promise<void> => {
  try {
    await admit();
  } catch (error) {
    refused.push((error as { code: string }).code);
  }
};
await Promise.all(['one', 'two', 'three'].map((id) => wait(() => store.insertBatched(record(id), facts(50_000)))));
const known = store.list({ limit: 10 }).length;
rmSync(ballast);
await store.insertBatched(record('later'), facts(10));
process.stdout.write(JSON.stringify({ refused, known, later: store.get('later')?.id }));
store.close();
