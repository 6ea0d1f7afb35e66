import { expect } from 'chai';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import type { RunLog } from '../../../server/runs/log/log.ts';
import { PastLog } from '../../../server/runs/log/past-log.ts';
import type { WatchedLog } from '../../../server/runs/log/watched.ts';
import type { Shape } from '../../../server/runs/log/page.ts';
import type { Position } from '../../../server/runs/log/position.ts';
import { dropSegments, listSegments } from '../../../server/runs/log/segments.ts';
import { Watcher } from '../../../server/runs/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { until } from '../../helpers/until.ts';
import { chance, type Chance, expectSame, folderOf, holdDisk, inFolder, newLog, Notebook, openFiles, pick, someBytes } from '../kit.ts';
import { normal } from './model.ts';

/** Gaps that meet are one. */
function oneGap(told: readonly string[]): string[] {
  return [told.join(' ').replaceAll(/-(\d+) ~(\d+)/g, (both, to: string, from: string) => (Number(from) === Number(to) + 1 ? '' : both))];
}

/** Everything that a watcher is told of an ended log. */
async function toldFrom(log: WatchedLog, shape: Shape, from?: Position): Promise<string[]> {
  const notebook = new Notebook();
  const ended = deferred<void>();
  new Watcher(log, notebook, { shape, ...(from !== undefined && { from }), onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return normal(notebook.told, shape);
}

/** What comes behind line (byte) `after`, and of the events that follow it those behind `seq`. */
function behind(told: readonly string[], shape: Shape, { after, seq = 0 }: { readonly after: number; readonly seq?: number }): string[] {
  const rest = [...told];
  let left = after;
  while (rest.length > 0 && left > 0) {
    const first = rest.shift()!;
    const size = first.startsWith('#') ? 0 : shape === 'lines' ? 1 : Buffer.byteLength(first);
    if (size > left) rest.unshift(Buffer.from(first).subarray(left).toString('utf8'));
    left = Math.max(0, left - size);
  }
  while (rest[0]?.startsWith('#') && Number(rest[0].split(' ')[1]) <= seq) rest.shift();
  return rest;
}

async function fill(log: RunLog, rnd: Chance): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const stream = log.shape === 'lines' && rnd(4) === 0 ? 'stderr' : 'stdout';
    // Whole characters only: a cursor in bytes stands between characters.
    if (rnd(3) > 0) log.write(stream, Buffer.from(someBytes(rnd, rnd(rnd(8) === 0 ? 4000 : 40)).toString('utf8')));
    else log.emit('fact', { text: 'e'.repeat(rnd(200)) });
    if (rnd(20) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Places that the log has, most of them where it is interesting. */
function someAfter(rnd: Chance, told: readonly string[], shape: Shape): number {
  const texts = told.filter((text) => !text.startsWith('#'));
  if (shape === 'lines') return rnd(texts.length + 1);
  const characters = [...texts.join('')];
  return Buffer.byteLength(characters.slice(0, rnd(characters.length + 1)).join(''));
}

const views = [['lines', 'lines'], ['raw', 'raw'], ['raw', 'lines']] as const;

describe('a cursor', () => {
  for (const [shape, view] of views) {
    it(`is found wherever it is: what comes behind it is told, and nothing else (${view} of ${shape})`, async function () {
      this.timeout(60_000);
      const filesBefore = openFiles();
      for (let seed = 0; seed < 18; seed++) {
        await inFolder(async (folder) => {
          const rnd = chance(seed);
          const limits = { lineBytesMax: pick(rnd, [64, 300, 1 << 20]), segmentBytesMax: pick(rnd, [1500, 9000, 1 << 26]), tailBytesMax: pick(rnd, [0, 1 << 20]) };
          const log = newLog(folder, shape, limits);
          await fill(log, rnd);
          await log.close();
          const told = await toldFrom(log, view);
          const again = new PastLog(folderOf(log), { shape, lineBytesMax: 1 << 20, record: { lines: log.position.line, bytes: log.position.byte } });
          for (let i = 0; i < 8; i++) {
            const after = someAfter(rnd, told, view);
            const rest = behind(told, view, { after });
            const what = `seed ${seed}, after ${after}`;
            expectSame(await toldFrom(log, view, await log.locate({ after }, view)), rest, what);
            expectSame(await toldFrom(again, view, await again.locate({ after }, view)), rest, `${what}, reopened`);
            const seq = Number(/^#\S+ (\d+)$/.exec(rest[0] ?? '')?.[1] ?? 0);
            expectSame(await toldFrom(log, view, await log.locate({ after, seq }, view)), behind(told, view, { after, seq }), `${what}, seq ${seq}`);
            const last = log.position[view === 'raw' ? 'byte' : 'line'] - after;
            if (last > 0) expectSame(await toldFrom(again, view, await again.locate({ last }, view)), rest, `${what}, last ${last}`);
          }
          expect(await toldFrom(log, view, await log.locate({ last: 0 }, view))).to.deep.equal([]);
          expect(await toldFrom(log, view, await log.locate({ after: 1e9 }, view))).to.deep.equal([]);
        });
      }
      await until('no file is left open', () => openFiles() <= filesBefore);
    });
  }

  it('behind what the disk has is waited for, until the log ends or nobody wants it any more', () => inFolder(async (folder) => {
    const log = newLog(folder);
    log.write('stdout', Buffer.from('one\ntwo\n'));
    const leaving = new AbortController();
    const given: Position[] = [];
    const second = log.locate({ after: 3 }, 'lines').then((place) => given.push(place));
    const never = log.locate({ after: 100 }, 'lines');
    const left = log.locate({ after: 100 }, 'lines', leaving.signal).catch((error: unknown) => error);
    leaving.abort('left');
    expect(await left).to.equal('left');
    await until('the disk has two', () => log.written.line === 2);
    expect(given).to.have.length(0);
    log.write('stdout', Buffer.from('three\nfour\n'));
    await second;
    expect(given[0]).to.deep.include({ line: 3, byte: 14 });
    const disk = await holdDisk(folder);
    const now = log.locate({ last: 0 }, 'lines');
    log.write('stdout', Buffer.from('five\n'));
    expect(await now).to.deep.include({ line: 4 });
    await disk.letGo();
    await log.close();
    expect(await never).to.equal(log.written);
  }));

  it('at the end of a terminal that is in the middle of a line begins with that line, for those who want lines', () => inFolder(async (folder) => {
    const log = newLog(folder, 'raw');
    log.write('stdout', Buffer.from('one\n$ l'));
    await until('it is written', () => log.written.byte === 7);
    const place = await log.locate({ last: 0 }, 'lines');
    const raw = await log.locate({ last: 0 }, 'raw');
    log.write('stdout', Buffer.from('s\nfile\n'));
    await log.close();
    expect(await toldFrom(log, 'lines', place)).to.deep.equal(['$ ls', 'file']);
    expect((await toldFrom(log, 'raw', raw)).join('')).to.equal('s\nfile\n');
  }));

  it('into what was removed has a place, from which the gap is told', () => inFolder(async (folder) => {
    for (const shape of ['lines', 'raw'] as const) {
      const log = newLog(folder, shape, { segmentBytesMax: 500, tailBytesMax: 0 });
      for (let i = 0; i < 100; i++) {
        log.write('stdout', Buffer.from(`line ${i} ${'x'.repeat(90)}\n`));
        log.emit('fact');
      }
      await log.close();
      const whole = await toldFrom(log, 'lines');
      const path = folderOf(log);
      const again = new PastLog(path, { shape, lineBytesMax: 1 << 20, record: { lines: 100, bytes: log.position.byte } });
      await again.locate({ after: 0 }, 'lines');
      const before = await listSegments(path);
      expect(await dropSegments(path, before[8]!.number)).to.equal(before.slice(0, 8).reduce((sum, { bytes }) => sum + bytes, 0));
      for (const [which, one] of [log, again].entries()) {
        const told = await toldFrom(one, 'lines', await one.locate({ after: 3 }, 'lines'));
        const to = Number(/^~4-(\d+)$/.exec(told[0]!)?.[1]);
        expect(to, `log ${which}`).to.be.within(10, 90);
        expectSame(told.slice(1).filter((text) => !text.startsWith('#')), whole.filter((text) => !text.startsWith('#')).slice(to), shape);
        expect((await toldFrom(one, 'lines', await one.locate({ after: to }, 'lines')))[0]).to.match(/^line|^#fact/);
        if (shape === 'raw') expect((await toldFrom(one, 'raw', await one.locate({ after: 5 }, 'raw')))[0]).to.match(/^~6-\d+$/);
      }
      await rm(path, { recursive: true });
      for (const one of [log, again]) {
        expect(oneGap(await toldFrom(one, 'lines', await one.locate({ after: 3 }, 'lines')))).to.deep.equal(['~4-100']);
        expect(oneGap(await toldFrom(one, 'lines'))).to.deep.equal(['~1-100']);
        expect(await one.segments()).to.deep.equal([]);
      }
    }
  }));
});

describe('a log that is reopened', () => {
  it('opens its files for the first watcher and closes them when the last one has gone', () => inFolder(async (folder) => {
    const before = openFiles();
    const log = newLog(folder);
    log.write('stdout', Buffer.from('one\ntwo'));
    await log.close();
    await until('its files are closed', () => openFiles() === before);
    const again = new PastLog(folderOf(log), { shape: 'lines', lineBytesMax: 1 << 20, record: { lines: 2, bytes: 8 } });
    expect([again.position.line, again.position.byte, again.ended]).to.deep.equal([2, 8, false]);
    expect(openFiles()).to.equal(before);
    for (let i = 0; i < 2; i++) {
      expect(await toldFrom(again, 'lines')).to.deep.equal(['one', 'two', '#unterminated 1']);
      await until('its files are closed again', () => openFiles() === before);
    }
    expect(again.position).to.deep.equal(log.position);
  }));

  it('is empty when it never had anything, and a gap when it had', () => inFolder(async (folder) => {
    const options = { shape: 'lines', lineBytesMax: 1 << 20 } as const;
    const none = join(folder, 'none');
    expect(await toldFrom(new PastLog(none, { ...options, record: { lines: 0, bytes: 0 } }), 'lines')).to.deep.equal([]);
    expect(await toldFrom(new PastLog(none, { ...options, record: { lines: 7, bytes: 70 } }), 'lines')).to.deep.equal(['~1-7']);
  }));

  it('tells its watchers when its files cannot be read', () => inFolder(async (folder) => {
    const log = newLog(folder);
    log.write('stdout', Buffer.from('one\n'));
    await log.close();
    await rm(join(folderOf(log), 'events'));
    const again = new PastLog(folderOf(log), { shape: 'lines', lineBytesMax: 1 << 20, record: { lines: 1, bytes: 4 } });
    expect(String(await toldFrom(again, 'lines').catch((error: unknown) => error))).to.contain('ENOENT');
  }));
});
