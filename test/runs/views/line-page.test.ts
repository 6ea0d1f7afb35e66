// Tests pages of stored lines.

import { appendFileSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { LogLimits, RunLog } from '../../../server/runs/log/log.ts';
import type { LogFormat } from '../../../server/runs/log/storage/read-page.ts';
import { type LinesPage, measureLog, readLines } from '../../../server/runs/views/line-page.ts';
import { LogModel } from '../../helpers/runs/log-model.ts';
import {
  countOpenFiles,
  expectSameItems,
  logFolder,
  newLog,
  pick,
  randomOutput,
  seededRandom,
  withTempFolder,
} from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** Creates a log in its own folder and closes it after `write`. Returns its folder. */
async function written(
  folder: string,
  write: (log: RunLog) => void,
  format: LogFormat = 'lines',
  limits: Partial<LogLimits> = {},
): Promise<string> {
  const log = newLog(folder, format, limits);
  write(log);
  await log.close();
  return logFolder(log);
}

const text = (log: RunLog, what: string | Uint8Array) => log.write('stdout', Buffer.from(what));

function read(
  log: string,
  after = 0,
  limit = 100,
  more: { bytesMax?: number; ended?: boolean; lines?: number } = {},
): Promise<LinesPage> {
  return readLines(
    log,
    { after, limit, bytesMax: more.bytesMax ?? 1 << 20 },
    { ended: more.ended ?? true, ...(more.lines !== undefined && { lines: more.lines }) },
  );
}

describe('the pages of a log', () => {
  it('a page begins after the cursor, has the requested number of lines, and reports whether it is the last', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) => text(to, 'a\nb\r\n\nd\n'));
      expect(await read(log)).to.deep.equal({ lines: ['a', 'b', '', 'd'], next: 4, ended: true });
      expect(await read(log, 1, 2)).to.deep.equal({ lines: ['b', ''], next: 3, ended: false });
      expect(await read(log, 3, 1)).to.deep.equal({ lines: ['d'], next: 4, ended: true });
      expect(await read(log, 0, 4)).to.deep.equal({ lines: ['a', 'b', '', 'd'], next: 4, ended: true });
      expect(await read(log, 4, 1)).to.deep.equal({ lines: [], next: 4, ended: true });
      expect(await read(log, 0, 4, { ended: false })).to.deep.include({ ended: false });
    }));

  it('a page beyond the end is empty', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) => text(to, 'a\n'));
      for (const after of [1, 2, 1000, Number.MAX_SAFE_INTEGER])
        expect(await read(log, after)).to.deep.equal({ lines: [], next: after, ended: true });
      const empty = await written(folder, () => {});
      expect(await read(empty)).to.deep.equal({ lines: [], next: 0, ended: true });
    }));

  it('a page omits a partial line until the log has ended', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) => text(to, 'a\n'));
      appendFileSync(join(log, 'lines'), 'half');
      expect(await read(log, 0, 10, { ended: false })).to.deep.equal({ lines: ['a'], next: 1, ended: false });
      expect(await read(log, 0, 10)).to.deep.equal({ lines: ['a', 'half'], next: 2, ended: true });
      expect(await measureLog(log)).to.deep.equal({ line: 2, byte: 6 });
    }));

  it('a page ends before the line that would exceed its size limit, but has at least one line', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) =>
        text(to, `${`${'x'.repeat(100)}\n`.repeat(10)}${'y'.repeat(5000)}\nz\n`),
      );
      const sizes = async (after: number, bytesMax: number) =>
        (await read(log, after, 100, { bytesMax })).lines.map(({ length }) => length);
      expect(await sizes(0, 350)).to.deep.equal([100, 100, 100]);
      expect(await sizes(8, 5000)).to.deep.equal([100, 100]);
      expect(await sizes(10, 10)).to.deep.equal([5000]);
      expect(await sizes(10, 5001)).to.deep.equal([5000, 1]);
    }));

  it('a page can begin at any line of a long log, even after long lines and with a small size limit', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) => {
        for (let i = 0; i < 40; i++) text(to, `${i} ${'x'.repeat(i % 7 === 0 ? 300_000 : 90)}\n`);
      });
      for (let after = 0; after < 40; after++) {
        const page = await read(log, after, 1, { bytesMax: 10 });
        expect(page.lines[0]!.split(' ')[0]).to.equal(String(after));
        expect(page).to.deep.include({ next: after + 1, ended: after === 39 });
      }
    }));

  for (const format of ['lines', 'raw'] as const) {
    it(`pages of any size contain the lines that watchers receive (${format})`, () =>
      withTempFolder(async (folder) => {
        for (const seed of seeds(25)) {
          const random = seededRandom(seed);
          const limits = { lineBytesMax: pick(random, [64, 1000, 1 << 20]) };
          const model = new LogModel(format, 'lines', limits.lineBytesMax);
          const log = await written(
            folder,
            (to) => {
              for (let i = 0; i < 12; i++) {
                const bytes =
                  random(6) === 0 ? Buffer.from('€'.repeat(random(60_000))) : randomOutput(random, random(3000));
                const stream = format === 'lines' && random(4) === 0 ? 'stderr' : 'stdout';
                to.write(stream, bytes);
                model.write(stream, bytes);
                to.emit('event', { text: 'e'.repeat(random(20_000)) });
              }
            },
            format,
            limits,
          );
          model.close();
          const expected = model.expected.filter(
            (line) => !/^#(cut|stream:stderr|stream:stdout|unterminated) \d+$/.test(line),
          );
          const lines: string[] = [];
          for (let ended = false; !ended; ) {
            const page = await read(log, lines.length, 1 + random(500), { bytesMax: 1 + random(100_000) });
            expect(page.lines.length > 0 || page.ended, `seed ${seed}`).to.equal(true);
            expect(page.next).to.equal(lines.length + page.lines.length);
            lines.push(...page.lines);
            ended = page.ended;
          }
          expectSameItems(lines, expected, `seed ${seed}`);
          expect((await measureLog(log))!.line, `seed ${seed}`).to.equal(lines.length);
        }
      }));
  }

  it('a page replaces invalid UTF-8', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) => text(to, Buffer.from([0x61, 0xff, 0x0a, 0xe2, 0x82, 0x0a])));
      expect((await read(log)).lines).to.deep.equal(['a\ufffd', '\ufffd']);
    }));

  it('pages and the log count the partial last line of a terminal alike', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'raw');
      text(log, 'a\n$ ');
      await log.close();
      expect(log.position).to.deep.include({ line: 2, byte: 4 });
      expect(await read(logFolder(log), 1)).to.deep.equal({ lines: ['$ '], next: 2, ended: true });
    }));

  it('pages of a log that is being written contain each line once', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const path = logFolder(log);
      const lines: string[] = [];
      for (let i = 0; i < 300; i++) {
        text(log, `line ${i}\nhalf `);
        const page = await read(path, lines.length, 7, { ended: false });
        lines.push(...page.lines);
      }
      await log.close();
      await waitUntil('all lines are read', async () => {
        const page = await read(path, lines.length, 50);
        lines.push(...page.lines);
        return page.ended;
      });
      expectSameItems(
        lines,
        [...Array.from({ length: 300 }, (_, i) => `${i === 0 ? '' : 'half '}line ${i}`), 'half '],
        'lines',
      );
    }));

  it('a page is correct even if a power failure left an index without its lines', () =>
    withTempFolder(async (folder) => {
      const log = await written(folder, (to) => {
        for (let i = 0; i < 20_000; i++) text(to, `line ${i}\n`);
      });
      truncateSync(join(log, 'lines'), 100_000);
      const { line } = (await measureLog(log))!;
      expect((await read(log, line - 1)).ended).to.equal(true);
      expect(await read(log, 19_000)).to.deep.equal({ lines: [], next: 19_000, ended: true });
    }));

  it('a page of a missing log is empty, or a gap if the record counts lines', () =>
    withTempFolder(async (folder) => {
      const none = join(folder, 'none');
      expect(await read(none, 2)).to.deep.equal({ lines: [], next: 2, ended: true });
      expect(await read(none, 2, 10, { ended: false, lines: 9 })).to.deep.equal({ lines: [], next: 2, ended: false });
      expect(await read(none, 2, 10, { lines: 9 })).to.deep.equal({
        lines: [],
        gap: { from: 3, to: 9, reason: 'retention' },
        next: 9,
        ended: true,
      });
      expect(await read(none, 9, 10, { lines: 9 })).to.deep.equal({ lines: [], next: 9, ended: true });
      expect(await measureLog(none)).to.equal(undefined);
    }));

  it('reading a page rejects if a file is missing, and leaves no file open', () =>
    withTempFolder(async (folder) => {
      const before = countOpenFiles();
      for (const missing of ['events', 'index']) {
        const log = join(folder, missing);
        mkdirSync(log);
        for (const name of ['lines', 'events', 'index']) if (name !== missing) writeFileSync(join(log, name), '');
        const error = await read(log).catch((thrown: unknown) => thrown);
        expect(String(error)).to.contain('ENOENT');
        rmSync(log, { recursive: true });
      }
      await waitUntil('no file is left open', () => countOpenFiles() === before);
    }));
});
