// Admits runs, whose facts are larger than the room there is, to a store in the folder given; then one that fits. Prints what became of them as JSON.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunFacts } from '../../../server/runs/facts.ts';
import { openStore } from '../../../server/runs/store.ts';

const folder = process.argv[2]!;
const store = openStore(folder);
const ballast = join(folder, 'ballast');
const facts = (bytes: number): RunFacts => ({
  kind: 'process', params: { text: 'x'.repeat(bytes) }, caller: { user: '', token: false, scopes: [] }, stop: { signal: 'SIGTERM', graceMs: 0 },
  onDisconnect: { type: 'cancel' }, mayDetach: false, stallAfterMs: 0, lineBytesMax: 100, outputBytesMax: 0,
});
const record = (id: string) => ({ id, call: 'c', params: [], caller: '', node: 'n', state: 'queued', queuedAt: '', lines: 0, bytes: 0 }) as const;

try {
  writeFileSync(ballast, Buffer.alloc(1 << 20));
} catch {
  // Now it is full.
}
const refused: string[] = [];
const wait = async (admit: () => Promise<void>): Promise<void> => {
  try {
    await admit();
  } catch (error) {
    refused.push((error as { code: string }).code);
  }
};
await Promise.all(['one', 'two', 'three'].map((id) => wait(() => store.admit(record(id), facts(50_000)))));
const known = store.list({ limit: 10 }).length;
rmSync(ballast);
await store.admit(record('later'), facts(10));
process.stdout.write(JSON.stringify({ refused, known, later: store.get('later')?.id }));
store.close();
