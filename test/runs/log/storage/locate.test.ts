// Tests cursors: from any position of a log, a watcher receives exactly what follows.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunLog } from '../../../../server/runs/log/log.ts';
import type { Position } from '../../../../server/runs/log/position.ts';
import type { LogFormat } from '../../../../server/runs/log/storage/read-page.ts';
import { dropSegments, listSegments } from '../../../../server/runs/log/storage/segment-folder.ts';
import { StoredLog } from '../../../../server/runs/log/stored-log.ts';
import type { WatchableLog } from '../../../../server/runs/log/watchable-log.ts';
import { Watcher } from '../../../../server/runs/views/watcher.ts';
import { deferred } from '../../../../server/support/deferred.ts';
import { mergeTerminalChunks } from '../../../helpers/runs/log-model.ts';
import {
  blockDisk,
  countOpenFiles,
  expectSameItems,
  logFolder,
  newLog,
  pick,
  type RandomInteger,
  RecordingSink,
  randomOutput,
  seededRandom,
  withTempFolder,
} from '../../../helpers/runs/test-log.ts';
import { seeds } from '../../../helpers/seeded-random.ts';
import { waitUntil } from '../../../helpers/wait-until.ts';

/** Merges adjacent gaps. */
function mergeGaps(received: readonly string[]): string[] {
  return [
    received
      .join(' ')
      .replaceAll(/-(\d+) ~(\d+)/g, (both, to: string, from: string) => (Number(from) === Number(to) + 1 ? '' : both)),
  ];
}

/** Returns everything that a watcher of an ended log receives. */
async function receivedFrom(log: WatchableLog, format: LogFormat, from?: Position): Promise<string[]> {
  const recorder = new RecordingSink();
  const ended = deferred<void>();
  new Watcher(log, recorder, {
    format,
    ...(from !== undefined && { from }),
    onEnd: ended.resolve,
    onError: ended.reject,
  }).wake();
  await ended.promise;
  return mergeTerminalChunks(recorder.received, format);
}

/** Returns the entries after line (or byte) `after`, without events up to `seq` at that position. */
function entriesAfter(
  received: readonly string[],
  format: LogFormat,
  { after, seq = 0 }: { readonly after: number; readonly seq?: number },
): string[] {
  const rest = [...received];
  let left = after;
  while (rest.length > 0 && left > 0) {
    const first = rest.shift()!;
    const size = first.startsWith('#') ? 0 : format === 'lines' ? 1 : Buffer.byteLength(first);
    if (size > left) rest.unshift(Buffer.from(first).subarray(left).toString('utf8'));
    left = Math.max(0, left - size);
  }
  while (rest[0]?.startsWith('#') && Number(rest[0].split(' ')[1]) <= seq) rest.shift();
  return rest;
}

async function fill(log: RunLog, random: RandomInteger): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const stream = log.format === 'lines' && random(4) === 0 ? 'stderr' : 'stdout';
    // Write whole characters only, because a cursor in bytes lies between characters.
    if (random(3) > 0)
      log.write(stream, Buffer.from(randomOutput(random, random(random(8) === 0 ? 4000 : 40)).toString('utf8')));
    else log.emit('fact', { text: 'e'.repeat(random(200)) });
    if (random(20) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Returns a random cursor of the log. */
function randomCursor(random: RandomInteger, received: readonly string[], format: LogFormat): number {
  const texts = received.filter((text) => !text.startsWith('#'));
  if (format === 'lines') return random(texts.length + 1);
  const characters = [...texts.join('')];
  return Buffer.byteLength(characters.slice(0, random(characters.length + 1)).join(''));
}

const views = [
  ['lines', 'lines'],
  ['raw', 'raw'],
  ['raw', 'lines'],
] as const;

describe('a cursor', () => {
  for (const [format, view] of views) {
    it(`a cursor at any position delivers exactly what follows (${view} of ${format})`, async function () {
      this.timeout(60_000);
      const filesBefore = countOpenFiles();
      for (const seed of seeds(18)) {
        await withTempFolder(async (folder) => {
          const random = seededRandom(seed);
          const limits = {
            lineBytesMax: pick(random, [64, 300, 1 << 20]),
            segmentBytesMax: pick(random, [1500, 9000, 1 << 26]),
            tailBytesMax: pick(random, [0, 1 << 20]),
          };
          const log = newLog(folder, format, limits);
          await fill(log, random);
          await log.close();
          const received = await receivedFrom(log, view);
          const reopened = new StoredLog(logFolder(log), {
            format,
            lineBytesMax: 1 << 20,
            record: { lines: log.position.line, bytes: log.position.byte },
          });
          for (let i = 0; i < 8; i++) {
            const after = randomCursor(random, received, view);
            const rest = entriesAfter(received, view, { after });
            const what = `seed ${seed}, after ${after}`;
            expectSameItems(await receivedFrom(log, view, await log.locate({ after }, view)), rest, what);
            expectSameItems(
              await receivedFrom(reopened, view, await reopened.locate({ after }, view)),
              rest,
              `${what}, reopened`,
            );
            const seq = Number(/^#\S+ (\d+)$/.exec(rest[0] ?? '')?.[1] ?? 0);
            expectSameItems(
              await receivedFrom(log, view, await log.locate({ after, seq }, view)),
              entriesAfter(received, view, { after, seq }),
              `${what}, seq ${seq}`,
            );
            const last = log.position[view === 'raw' ? 'byte' : 'line'] - after;
            if (last > 0)
              expectSameItems(
                await receivedFrom(reopened, view, await reopened.locate({ last }, view)),
                rest,
                `${what}, last ${last}`,
              );
          }
          expect(await receivedFrom(log, view, await log.locate({ last: 0 }, view))).to.deep.equal([]);
          expect(await receivedFrom(log, view, await log.locate({ after: 1e9 }, view))).to.deep.equal([]);
        });
      }
      await waitUntil('no file is left open', () => countOpenFiles() <= filesBefore);
    });
  }

  it('a cursor beyond the stored output waits until more is stored, the log ends or its client leaves', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.write('stdout', Buffer.from('one\ntwo\n'));
      const leaving = new AbortController();
      const positions: Position[] = [];
      const second = log.locate({ after: 3 }, 'lines').then((position) => positions.push(position));
      const never = log.locate({ after: 100 }, 'lines');
      const aborted = log.locate({ after: 100 }, 'lines', leaving.signal).catch((error: unknown) => error);
      leaving.abort('left');
      expect(await aborted).to.equal('left');
      await waitUntil('two lines are on disk', () => log.written.line === 2);
      expect(positions).to.have.length(0);
      log.write('stdout', Buffer.from('three\nfour\n'));
      await second;
      expect(positions[0]).to.deep.include({ line: 3, byte: 14 });
      const disk = await blockDisk(folder);
      const now = log.locate({ last: 0 }, 'lines');
      log.write('stdout', Buffer.from('five\n'));
      expect(await now).to.deep.include({ line: 4 });
      await disk.unblock();
      await log.close();
      expect(await never).to.equal(log.written);
    }));

  it("a cursor at the end of a terminal's log starts at the current line for watchers of lines", () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'raw');
      log.write('stdout', Buffer.from('one\n$ l'));
      await waitUntil('the output is written', () => log.written.byte === 7);
      const place = await log.locate({ last: 0 }, 'lines');
      const raw = await log.locate({ last: 0 }, 'raw');
      log.write('stdout', Buffer.from('s\nfile\n'));
      await log.close();
      expect(await receivedFrom(log, 'lines', place)).to.deep.equal(['$ ls', 'file']);
      expect((await receivedFrom(log, 'raw', raw)).join('')).to.equal('s\nfile\n');
    }));

  it('a cursor into removed output has a position from which watchers receive the gap', () =>
    withTempFolder(async (folder) => {
      for (const format of ['lines', 'raw'] as const) {
        const log = newLog(folder, format, { segmentBytesMax: 500, tailBytesMax: 0 });
        for (let i = 0; i < 100; i++) {
          log.write('stdout', Buffer.from(`line ${i} ${'x'.repeat(90)}\n`));
          log.emit('fact');
        }
        await log.close();
        const whole = await receivedFrom(log, 'lines');
        const path = logFolder(log);
        const reopened = new StoredLog(path, {
          format,
          lineBytesMax: 1 << 20,
          record: { lines: 100, bytes: log.position.byte },
        });
        await reopened.locate({ after: 0 }, 'lines');
        const before = await listSegments(path);
        expect(await dropSegments(path, before[8]!.number)).to.equal(
          before.slice(0, 8).reduce((sum, { bytes }) => sum + bytes, 0),
        );
        for (const [which, one] of [log, reopened].entries()) {
          const received = await receivedFrom(one, 'lines', await one.locate({ after: 3 }, 'lines'));
          const to = Number(/^~4-(\d+)$/.exec(received[0]!)?.[1]);
          expect(to, `log ${which}`).to.be.within(10, 90);
          expectSameItems(
            received.slice(1).filter((text) => !text.startsWith('#')),
            whole.filter((text) => !text.startsWith('#')).slice(to),
            format,
          );
          expect((await receivedFrom(one, 'lines', await one.locate({ after: to }, 'lines')))[0]).to.match(
            /^line|^#fact/,
          );
          if (format === 'raw')
            expect((await receivedFrom(one, 'raw', await one.locate({ after: 5 }, 'raw')))[0]).to.match(/^~6-\d+$/);
        }
        await rm(path, { recursive: true });
        for (const one of [log, reopened]) {
          expect(mergeGaps(await receivedFrom(one, 'lines', await one.locate({ after: 3 }, 'lines')))).to.deep.equal([
            '~4-100',
          ]);
          expect(mergeGaps(await receivedFrom(one, 'lines'))).to.deep.equal(['~1-100']);
          expect(await one.segments()).to.deep.equal([]);
        }
      }
    }));
});

describe('a stored log', () => {
  it('a stored log opens its files for the first watcher and closes them after the last one', () =>
    withTempFolder(async (folder) => {
      const before = countOpenFiles();
      const log = newLog(folder);
      log.write('stdout', Buffer.from('one\ntwo'));
      await log.close();
      await waitUntil('the files of the log are closed', () => countOpenFiles() === before);
      const reopened = new StoredLog(logFolder(log), {
        format: 'lines',
        lineBytesMax: 1 << 20,
        record: { lines: 2, bytes: 8 },
      });
      expect([reopened.position.line, reopened.position.byte, reopened.ended]).to.deep.equal([2, 8, false]);
      expect(countOpenFiles()).to.equal(before);
      for (let i = 0; i < 2; i++) {
        expect(await receivedFrom(reopened, 'lines')).to.deep.equal(['one', 'two', '#unterminated 1']);
        await waitUntil('the files of the log are closed again', () => countOpenFiles() === before);
      }
      expect(reopened.position).to.deep.equal(log.position);
    }));

  it('a stored log without files is empty, or one gap if the record counts output', () =>
    withTempFolder(async (folder) => {
      const options = { format: 'lines', lineBytesMax: 1 << 20 } as const;
      const none = join(folder, 'none');
      expect(
        await receivedFrom(new StoredLog(none, { ...options, record: { lines: 0, bytes: 0 } }), 'lines'),
      ).to.deep.equal([]);
      expect(
        await receivedFrom(new StoredLog(none, { ...options, record: { lines: 7, bytes: 70 } }), 'lines'),
      ).to.deep.equal(['~1-7']);
    }));

  it('a stored log reports unreadable files to its watchers', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.write('stdout', Buffer.from('one\n'));
      await log.close();
      await rm(join(logFolder(log), 'events'));
      const reopened = new StoredLog(logFolder(log), {
        format: 'lines',
        lineBytesMax: 1 << 20,
        record: { lines: 1, bytes: 4 },
      });
      expect(String(await receivedFrom(reopened, 'lines').catch((error: unknown) => error))).to.contain('ENOENT');
    }));
});
