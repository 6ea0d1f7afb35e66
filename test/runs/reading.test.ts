import { expect } from 'chai';
import { appendFileSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLimits, RunLog } from '../../server/runs/log/log.ts';
import type { Shape } from '../../server/runs/log/page.ts';
import { measure, readLines, type LinesPage } from '../../server/runs/reading.ts';
import { Model } from './log/model.ts';
import { chance, expectSame, folderOf, inFolder, newLog, openFiles, pick, someBytes } from './kit.ts';
import { until } from '../helpers/until.ts';

/** A log of its own folder, closed when `write` is done. */
async function written(folder: string, write: (log: RunLog) => void, shape: Shape = 'lines', limits: Partial<LogLimits> = {}): Promise<string> {
  const log = newLog(folder, shape, limits);
  write(log);
  await log.close();
  return folderOf(log);
}

const text = (log: RunLog, what: string | Uint8Array) => log.write('stdout', Buffer.from(what));

function read(log: string, after = 0, limit = 100, more: { bytesMax?: number; ended?: boolean; lines?: number } = {}): Promise<LinesPage> {
  return readLines(log, { after, limit, bytesMax: more.bytesMax ?? 1 << 20 }, { ended: more.ended ?? true, ...(more.lines !== undefined && { lines: more.lines }) });
}

describe('reading lines', () => {
  it('begins behind a cursor, takes as many as asked for, and knows exactly when that is all', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => text(to, 'a\nb\r\n\nd\n'));
    expect(await read(log)).to.deep.equal({ lines: ['a', 'b', '', 'd'], next: 4, ended: true });
    expect(await read(log, 1, 2)).to.deep.equal({ lines: ['b', ''], next: 3, ended: false });
    expect(await read(log, 3, 1)).to.deep.equal({ lines: ['d'], next: 4, ended: true });
    expect(await read(log, 0, 4)).to.deep.equal({ lines: ['a', 'b', '', 'd'], next: 4, ended: true });
    expect(await read(log, 4, 1)).to.deep.equal({ lines: [], next: 4, ended: true });
    expect(await read(log, 0, 4, { ended: false })).to.deep.include({ ended: false });
  }));

  it('gives nothing beyond the end', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => text(to, 'a\n'));
    for (const after of [1, 2, 1000, Number.MAX_SAFE_INTEGER]) expect(await read(log, after)).to.deep.equal({ lines: [], next: after, ended: true });
    const empty = await written(folder, () => {});
    expect(await read(empty)).to.deep.equal({ lines: [], next: 0, ended: true });
  }));

  it('leaves an unfinished line for later, until the log has ended', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => text(to, 'a\n'));
    appendFileSync(join(log, 'lines'), 'half');
    expect(await read(log, 0, 10, { ended: false })).to.deep.equal({ lines: ['a'], next: 1, ended: false });
    expect(await read(log, 0, 10)).to.deep.equal({ lines: ['a', 'half'], next: 2, ended: true });
    expect(await measure(log)).to.deep.equal({ line: 2, byte: 6 });
  }));

  it('ends before the line that would be too much, and gives one at least', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => text(to, `${'x'.repeat(100)}\n`.repeat(10) + `${'y'.repeat(5000)}\n` + 'z\n'));
    const sizes = async (after: number, bytesMax: number) => (await read(log, after, 100, { bytesMax })).lines.map(({ length }) => length);
    expect(await sizes(0, 350)).to.deep.equal([100, 100, 100]);
    expect(await sizes(8, 5000)).to.deep.equal([100, 100]);
    expect(await sizes(10, 10)).to.deep.equal([5000]);
    expect(await sizes(10, 5001)).to.deep.equal([5000, 1]);
  }));

  it('finds a line anywhere in a long log, with long lines before it, whatever the bound', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => {
      for (let i = 0; i < 40; i++) text(to, `${i} ${'x'.repeat(i % 7 === 0 ? 300_000 : 90)}\n`);
    });
    for (let after = 0; after < 40; after++) {
      const page = await read(log, after, 1, { bytesMax: 10 });
      expect(page.lines[0]!.split(' ')[0]).to.equal(String(after));
      expect(page).to.deep.include({ next: after + 1, ended: after === 39 });
    }
  }));

  for (const shape of ['lines', 'raw'] as const) {
    it(`gives the same lines whatever the pages, as its watchers saw them (${shape})`, () => inFolder(async (folder) => {
      for (let seed = 0; seed < 25; seed++) {
        const rnd = chance(seed);
        const limits = { lineBytesMax: pick(rnd, [64, 1000, 1 << 20]) };
        const model = new Model(shape, 'lines', limits.lineBytesMax);
        const log = await written(folder, (to) => {
          for (let i = 0; i < 12; i++) {
            const bytes = rnd(6) === 0 ? Buffer.from('€'.repeat(rnd(60_000))) : someBytes(rnd, rnd(3000));
            const stream = shape === 'lines' && rnd(4) === 0 ? 'stderr' : 'stdout';
            to.write(stream, bytes);
            model.write(stream, bytes);
            to.emit('event', { text: 'e'.repeat(rnd(20_000)) });
          }
        }, shape, limits);
        model.close();
        const expected = model.told.filter((line) => !/^#(cut|stream:stderr|stream:stdout|unterminated) \d+$/.test(line));
        const lines: string[] = [];
        for (let ended = false; !ended;) {
          const page = await read(log, lines.length, 1 + rnd(500), { bytesMax: 1 + rnd(100_000) });
          expect(page.lines.length > 0 || page.ended, `seed ${seed}`).to.equal(true);
          expect(page.next).to.equal(lines.length + page.lines.length);
          lines.push(...page.lines);
          ended = page.ended;
        }
        expectSame(lines, expected, `seed ${seed}`);
        expect((await measure(log))!.line, `seed ${seed}`).to.equal(lines.length);
      }
    }));
  }

  it('repairs what is not UTF-8', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => text(to, Buffer.from([0x61, 0xff, 0x0a, 0xe2, 0x82, 0x0a])));
    expect((await read(log)).lines).to.deep.equal(['a\ufffd', '\ufffd']);
  }));

  it('counts the unfinished last line of a terminal as watchers, pages and the log itself do', () => inFolder(async (folder) => {
    const log = newLog(folder, 'raw');
    text(log, 'a\n$ ');
    await log.close();
    expect(log.position).to.deep.include({ line: 2, byte: 4 });
    expect(await read(folderOf(log), 1)).to.deep.equal({ lines: ['$ '], next: 2, ended: true });
  }));

  it('reads while the log is being written, and gets each line once', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const path = folderOf(log);
    const lines: string[] = [];
    for (let i = 0; i < 300; i++) {
      text(log, `line ${i}\nhalf `);
      const page = await read(path, lines.length, 7, { ended: false });
      lines.push(...page.lines);
    }
    await log.close();
    await until('all are read', async () => {
      const page = await read(path, lines.length, 50);
      lines.push(...page.lines);
      return page.ended;
    });
    expectSame(lines, [...Array.from({ length: 300 }, (_, i) => `${i === 0 ? '' : 'half '}line ${i}`), 'half '], 'lines');
  }));

  it('is not led astray by an index that a power cut left ahead of the lines', () => inFolder(async (folder) => {
    const log = await written(folder, (to) => { for (let i = 0; i < 20_000; i++) text(to, `line ${i}\n`); });
    truncateSync(join(log, 'lines'), 100_000);
    const { line } = (await measure(log))!;
    expect((await read(log, line - 1)).ended).to.equal(true);
    expect((await read(log, 19_000))).to.deep.equal({ lines: [], next: 19_000, ended: true });
  }));

  it('finds nothing where there is no log, or a gap when the record knows of lines', () => inFolder(async (folder) => {
    const none = join(folder, 'none');
    expect(await read(none, 2)).to.deep.equal({ lines: [], next: 2, ended: true });
    expect(await read(none, 2, 10, { ended: false, lines: 9 })).to.deep.equal({ lines: [], next: 2, ended: false });
    expect(await read(none, 2, 10, { lines: 9 })).to.deep.equal({ lines: [], gap: { from: 3, to: 9, reason: 'retention' }, next: 9, ended: true });
    expect(await read(none, 9, 10, { lines: 9 })).to.deep.equal({ lines: [], next: 9, ended: true });
    expect(await measure(none)).to.equal(undefined);
  }));

  it('throws where a file is missing that must be there, and leaves no file open', () => inFolder(async (folder) => {
    const before = openFiles();
    for (const missing of ['events', 'index']) {
      const log = join(folder, missing);
      mkdirSync(log);
      for (const name of ['lines', 'events', 'index']) if (name !== missing) writeFileSync(join(log, name), '');
      const error = await read(log).catch((thrown: unknown) => thrown);
      expect(String(error)).to.contain('ENOENT');
      rmSync(log, { recursive: true });
    }
    await until('no file is left open', () => openFiles() === before);
  }));
});
