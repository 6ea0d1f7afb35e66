// Tests the segments of a log: where they end, how they are removed, and in which order they are written.

import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../../protocol/limits.ts';
import { RunLog } from '../../../../server/runs/log/log.ts';
import { checkpointBytes, initialCheckpoint } from '../../../../server/runs/log/storage/checkpoint.ts';
import { dropSegments, listSegments } from '../../../../server/runs/log/storage/segment-folder.ts';
import { SegmentSet } from '../../../../server/runs/log/storage/segment-set.ts';
import { deferred } from '../../../../server/support/deferred.ts';
import { countOpenFiles, logFolder, newLog, withTempFolder } from '../../../helpers/runs/test-log.ts';
import { waitUntil } from '../../../helpers/wait-until.ts';

const text = (log: RunLog, what: string) => log.write('stdout', Buffer.from(what));

describe('the segments of a log', () => {
  it('segments end at line ends, store where they start, and together contain the whole log', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { segmentBytesMax: 1000 });
      const lines = Array.from({ length: 100 }, (_, i) => `line ${i} ${'x'.repeat(i)}\n`);
      for (const line of lines) for (const half of [line.slice(0, 5), line.slice(5)]) text(log, half);
      await log.close();
      const sizes = await log.segments();
      expect(sizes.length).to.be.above(4);
      expect(sizes.map(({ number }) => number)).to.deep.equal(sizes.map((_, i) => i));
      const path = logFolder(log);
      const stored = sizes.map(({ number }) =>
        readFileSync(join(path, number === 0 ? 'lines' : `lines.${number}`), 'utf8'),
      );
      expect(stored.join('')).to.equal(lines.join(''));
      let before = 0;
      for (const [i, piece] of stored.entries()) {
        expect(piece.endsWith('\n')).to.equal(true);
        expect(piece.length, `segment ${i}`).to.be.at.most(1000 + 110);
        const files = await SegmentSet.load(path);
        expect((await files.start(i)).position).to.deep.include({
          line: before,
          byte: stored.slice(0, i).join('').length,
        });
        before += piece.split('\n').length - 1;
      }
      expect(sizes[0]!.bytes).to.equal(
        ['lines', 'events', 'index'].reduce((sum, name) => sum + statSync(join(path, name)).size, 0),
      );
      expect(sizes[0]!.modifiedMs).to.equal(statSync(join(path, 'lines')).mtimeMs);
    }));

  it('segments of a terminal end where a line begins, even within a chunk', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'raw', { segmentBytesMax: 500 });
      for (let i = 0; i < 50; i++) text(log, `rest of ${i}\r\n${'x'.repeat(70)} the beginning of `);
      await log.close();
      const sizes = await log.segments();
      expect(sizes.length).to.be.above(4);
      for (const { number } of sizes.slice(0, -1))
        expect(
          readFileSync(join(logFolder(log), number === 0 ? 'lines' : `lines.${number}`), 'utf8').endsWith('\r\n'),
        ).to.equal(true);
    }));

  it('retention removes segments oldest first and never the last one', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { segmentBytesMax: 500 });
      const fill = async (): Promise<void> => {
        for (let i = 0; i < 30; i++) text(log, `${'x'.repeat(99)}\n`);
        await waitUntil('the output is written', () => log.written === log.position);
      };
      await fill();
      const sizes = await log.segments();
      expect(await log.dropSegments(3)).to.equal(sizes.slice(0, 3).reduce((sum, { bytes }) => sum + bytes, 0));
      expect((await log.segments()).map(({ number }) => number)).to.deep.equal(
        sizes.slice(3).map(({ number }) => number),
      );
      expect(await log.dropSegments(3)).to.equal(0);
      await log.dropSegments(Infinity);
      expect(await log.segments()).to.have.length(1);
      expect(readdirSync(logFolder(log))).to.have.length(3);
      await fill();
      await log.close();
      expect((await listSegments(logFolder(log))).length).to.be.above(4);
      await dropSegments(logFolder(log), Infinity);
      expect(await listSegments(logFolder(log))).to.have.length(1);
      expect(await dropSegments(join(folder, 'none'), 5)).to.equal(0);
      expect(log.position.line).to.equal(60);
    }));

  it('recovery removes incomplete segments, and a partly removed segment is not listed', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { segmentBytesMax: 500 });
      for (let i = 0; i < 30; i++) text(log, `${'x'.repeat(99)}\n`);
      await log.close();
      const path = logFolder(log);
      const last = (await log.segments()).at(-1)!.number;
      rmSync(join(path, 'lines'));
      writeFileSync(join(path, `index.${last + 1}`), 'half');
      expect((await listSegments(path)).map(({ number }) => number)).to.deep.equal(
        Array.from({ length: last }, (_, i) => i + 1),
      );
      const { log: resumed } = await RunLog.resume(path, {
        format: 'lines',
        limits: defaultLimits,
        onFailure: (error) => {
          throw error;
        },
      });
      expect(
        readdirSync(path).filter((name) => name === 'index' || name === 'events' || name.endsWith(`.${last + 1}`)),
      ).to.deep.equal([]);
      expect(resumed.position).to.deep.equal(log.position);
      await resumed.close();
    }));

  it('an append writes the events of a segment first, then its lines, and its index last', () =>
    withTempFolder(async (folder) => {
      const path = join(folder, 'log');
      const files = new SegmentSet(path);
      const start = initialCheckpoint('lines', 64);
      const good = Buffer.from('x\n');
      // The write of this value fails, which ends the append.
      const bad = undefined as unknown as Uint8Array;
      const append = (lines: Uint8Array, events: Uint8Array) =>
        files
          .append({ segment: { number: 0, start }, lines: [lines], events: [events], checkpoints: [start] })
          .catch(() => undefined);
      const sizes = () => ['events', 'lines', 'index'].map((name) => statSync(join(path, name)).size);
      await append(good, bad);
      expect(sizes()).to.deep.equal([0, 0, checkpointBytes]);
      await append(bad, good);
      expect(sizes()).to.deep.equal([2, 0, checkpointBytes]);
      await append(good, good);
      expect(sizes()).to.deep.equal([4, 2, 2 * checkpointBytes]);
      files.close(true);
    }));
});

describe('a log without output', () => {
  it('thousands of logs without output need no folder and no open file', () =>
    withTempFolder(async (folder) => {
      const before = countOpenFiles();
      const logs = Array.from({ length: 5000 }, () => newLog(folder));
      expect([readdirSync(folder).length, countOpenFiles()]).to.deep.equal([0, before]);
      await Promise.all(logs.map((log) => log.close()));
      expect([readdirSync(folder).length, countOpenFiles()]).to.deep.equal([0, before]);
    }));

  it('a log fails with the reason if its folder cannot be created', () =>
    withTempFolder(async (folder) => {
      for (const path of [join(folder, 'no', 'such', 'folder'), join(folder, 'file')]) {
        writeFileSync(join(folder, 'file'), '');
        const failed = deferred<Error>();
        const log = RunLog.create(path, { format: 'lines', limits: defaultLimits, onFailure: failed.resolve });
        log.emit('fact');
        text(log, 'lost\n');
        expect(String(await failed.promise)).to.match(/ENOENT|ENOTDIR/);
        expect(log.position.line).to.equal(0);
        await log.close();
        expect(existsSync(join(folder, 'no'))).to.equal(false);
      }
    }));
});

describe('a log', () => {
  it('a log adds a prefix to an emitted event type that the log itself uses', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      for (const type of ['cut', 'stream', 'truncated', 'free']) log.emit(type);
      await log.close();
      expect(
        [...readFileSync(join(logFolder(log), 'events'), 'utf8').matchAll(/"type":"([^"]*)"/g)].map(([, type]) => type),
      ).to.deep.equal(['call:cut', 'call:stream', 'call:truncated', 'free']);
    }));

  it('a log reports its partial line and the time of its last output', () =>
    withTempFolder(async (folder) => {
      for (const format of ['lines', 'raw'] as const) {
        const log = newLog(folder, format);
        expect(log.partialLine(100)).to.equal(undefined);
        const made = log.lastWriteMs;
        text(log, 'done\nName: ');
        expect(log.lastWriteMs).to.be.above(made);
        expect(log.partialLine(100)).to.deep.equal({ stream: 'stdout', text: 'Name: ' });
        expect(log.partialLine(3)).to.deep.equal({ stream: 'stdout', text: 'e: ' });
        log.write('stdout', Buffer.from('€€').subarray(0, 5));
        expect(log.partialLine(100)?.text).to.equal('Name: €');
        expect(log.partialLine(4)?.text).to.equal(' €');
        expect(log.partialLine(2)).to.equal(undefined);
        if (format === 'lines') {
          log.write('stderr', Buffer.from('why'));
          expect(log.partialLine(100)).to.deep.equal({ stream: 'stderr', text: 'why' });
        }
        await log.close();
        expect(log.partialLine(100)).to.equal(undefined);
      }
    }));
});
