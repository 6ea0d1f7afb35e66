// Writes 500 MB through a log with one reading and twenty stalled watchers, and prints the peak memory.

import { readFileSync } from 'node:fs';
import type { OutputEntry } from '../../../../server/runs/log/entry.ts';
import { encodeOnce, Watcher } from '../../../../server/runs/views/watcher.ts';
import { encodeTextFrames } from '../../../../server/session/frames/websocket-frames.ts';
import { deferred } from '../../../../server/support/deferred.ts';
import { newLog } from '../test-log.ts';

const log = newLog(process.argv[2]!);
const chunk = Buffer.from(`${'x'.repeat(80)}\n`.repeat(800));
const chunks = Math.ceil(500_000_000 / chunk.length);

class Counter {
  bytes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get full(): boolean {
    return this.bytes >= this.#bytesMax;
  }

  output(entry: OutputEntry): void {
    this.bytes += encodeOnce(entry, encodeTextFrames).byteLength;
  }

  event(): void {}
}

const reader = new Counter(Infinity);
const ended = deferred<void>();
new Watcher(log, reader, { format: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
const stalled = Array.from(
  { length: 20 },
  () => new Watcher(log, new Counter(512 << 10), { format: 'lines', onEnd() {}, onError: ended.reject }),
);

await write(50);
const before = highWater();
await write(chunks);
for (const watcher of stalled) watcher.stop();
await log.close();
await ended.promise;
process.stdout.write(
  JSON.stringify({ grownBytes: highWater() - before, readBytes: reader.bytes, lines: log.position.line }),
);

/** Waits while the log is full, like a process does. */
async function write(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    log.write('stdout', chunk);
    if (log.full) await log.drained();
    if (i % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

function highWater(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1024;
}
