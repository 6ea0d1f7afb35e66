// Tests that reused buffers never change output that a log, its files or a watcher still has.

import fs from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import { beginning } from '../../../server/runs/log/position.ts';
import { readPage, type SegmentReader } from '../../../server/runs/log/storage/read-page.ts';
import { encodeOnce, Watcher } from '../../../server/runs/views/watcher.ts';
import { encodeTextFrames, type TextFrames } from '../../../server/session/frames/websocket-frames.ts';
import { acquireBuffer, releaseBuffer } from '../../../server/support/buffer-pool.ts';
import { deferred } from '../../../server/support/deferred.ts';
import {
  blockDisk,
  expectSameItems,
  newLog,
  parseTextFrames,
  RecordingSink,
  seededRandom,
  withTempFolder,
} from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';

const bulk = 64 << 10;

describe('reused buffers', () => {
  it('a buffer has one user at a time, and only the view that acquireBuffer returned can release it', () => {
    const first = acquireBuffer(bulk);
    const part = first.subarray(1);
    releaseBuffer(part);
    releaseBuffer(Buffer.alloc(bulk));
    const second = acquireBuffer(bulk);
    expect(second.buffer).not.to.equal(first.buffer);
    releaseBuffer(first);
    releaseBuffer(first);
    const [third, fourth] = [acquireBuffer(bulk), acquireBuffer(bulk)];
    expect(third.buffer).to.equal(first.buffer);
    expect(fourth.buffer).not.to.equal(first.buffer);
    for (const view of [second, third, fourth]) releaseBuffer(view);
  });

  it('a buffer has the requested length', () => {
    for (const bytes of [0, 1, 100, 8 << 10, bulk, 80 << 10, (80 << 10) + 1, 320 << 10, (320 << 10) + 1, 1 << 20])
      expect(acquireBuffer(bytes)).to.have.length(bytes);
  });

  it('a released page gives its memory, and that of its frames, to the next page', async () => {
    const lines = Buffer.from(`${'x'.repeat(79)}\n`.repeat(3200));
    const read: ArrayBufferLike[] = [];
    const files: SegmentReader = {
      readLines: async (_from, into) => {
        read.push(into.buffer);
        return into.subarray(0, lines.copy(into));
      },
      readEvents: async (_from, into) => into,
    };
    const until = { ...beginning, line: 3200, byte: lines.length };
    const framed: ArrayBufferLike[] = [];
    for (let i = 0; i < 2; i++) {
      const page = await readPage(files, { from: beginning, until, format: 'lines', lineBytesMax: 1000, final: true });
      framed.push(encodeOnce(page.entries[0] as OutputEntry, encodeTextFrames).bytes.buffer);
      page.release();
      page.release();
    }
    expect(new Set([...read, ...framed])).to.have.property('size', 2);
  });

  it('a reused buffer never changes the content of a log, its files or a watcher', () =>
    withTempFolder(async (folder) => {
      for (const seed of seeds(4)) {
        const random = seededRandom(seed);
        const log = newLog(folder, 'lines', { tailBytesMax: 200_000, pendingWriteBytesMax: 1 << 30 });
        const watchers = Array.from({ length: 4 }, (_, i) => watch(log, i));
        // One buffer for all chunks, as in the process engine.
        const written = Buffer.alloc(bulk);
        const expected: string[] = [];
        let [text, disk] = ['', undefined as Awaited<ReturnType<typeof blockDisk>> | undefined];
        for (let i = 0; i < 120; i++) {
          if (random(12) === 0) {
            await disk?.unblock();
            disk = disk === undefined ? await blockDisk(folder) : undefined;
          }
          while (text.length < bulk) {
            const line = `${expected.length} ${'abcdefghijklmnopqrstuvwxyz'[random(26)]!.repeat(random(300))}`;
            expected.push(line);
            text += `${line}\n`;
          }
          const bytes = random(3) === 0 ? 1 + random(bulk) : bulk;
          written.write(text.slice(0, bytes), 'latin1');
          text = text.slice(bytes);
          log.write('stdout', written.subarray(0, bytes));
          for (const { wake } of watchers) wake(random(4));
          if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        log.write('stdout', Buffer.from(text));
        await disk?.unblock();
        await log.close();
        for (const { wake } of watchers) wake(Infinity);
        for (const { recorder, ended } of watchers) {
          await ended;
          expectSameItems(recorder.received, expected, `seed ${seed}`);
        }
        const stored = fs.readFileSync(
          join(folder, fs.readdirSync(folder).find((name) => name.startsWith('log-'))!, 'lines'),
          'latin1',
        );
        expectSameItems(stored.split('\n').slice(0, -1), expected, `stored, seed ${seed}`);
        for (const name of fs.readdirSync(folder)) fs.rmSync(join(folder, name), { recursive: true });
      }
    }));
});

/** Creates a watcher. If `number` is odd, the watcher keeps the frames that it receives and decodes them at the end. */
function watch(log: ReturnType<typeof newLog>, number: number) {
  const keeps = number % 2 === 1;
  const kept: TextFrames[] = [];
  let capacity = 0;
  const recorder = new RecordingSink();
  const ended = deferred<void>();
  const sink = {
    get full() {
      return capacity <= 0;
    },
    output(entry: OutputEntry) {
      capacity--;
      if (!keeps) return recorder.output(entry);
      const frames = encodeOnce(entry, encodeTextFrames);
      frames.pinned = true;
      kept.push(frames);
    },
    event() {},
  };
  const onEnd = (): void => {
    for (const { bytes } of kept) recorder.received.push(...parseTextFrames(bytes).map(String));
    ended.resolve();
  };
  const watcher = new Watcher(log, sink, { format: 'lines', onEnd, onError: ended.reject });
  return {
    recorder,
    ended: ended.promise,
    wake: (more: number) => {
      capacity = Math.max(capacity, 0) + more;
      watcher.wake();
    },
  };
}
