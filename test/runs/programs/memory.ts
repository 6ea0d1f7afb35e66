// Writes 500 MB through a log that one watcher reads and twenty have stopped reading, and prints how much memory that took at most.

import { readFileSync } from 'node:fs';
import { Watcher } from '../../../server/runs/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { newLog } from '../kit.ts';

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

  frames(frames: Buffer): 'done' {
    this.bytes += frames.length;
    return 'done';
  }

  event(): void {}
}

const reader = new Counter(Infinity);
const ended = deferred<void>();
new Watcher(log, reader, { shape: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
const stalled = Array.from({ length: 20 }, () => new Watcher(log, new Counter(512 << 10), { shape: 'lines', onEnd() {}, onError: ended.reject }));

await write(50);
const before = highWater();
await write(chunks);
for (const watcher of stalled) watcher.stop();
await log.close();
await ended.promise;
process.stdout.write(JSON.stringify({ grownBytes: highWater() - before, told: reader.bytes, lines: log.position.line }));

/** As a process would, which waits while the log is full. */
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
