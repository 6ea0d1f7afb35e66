import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunLog } from '../../../server/runs/log/log.ts';
import { LogFiles } from '../../../server/runs/log/files.ts';
import { markBytes, origin } from '../../../server/runs/log/mark.ts';
import { dropSegments, listSegments } from '../../../server/runs/log/segments.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { until } from '../../helpers/until.ts';
import { folderOf, inFolder, newLog, openFiles } from '../kit.ts';

const text = (log: RunLog, what: string) => log.write('stdout', Buffer.from(what));

describe('the segments of a log', () => {
  it('end where a line ends, each says where it begins, and together they are the whole', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { segmentBytesMax: 1000 });
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i} ${'x'.repeat(i)}\n`);
    for (const line of lines) for (const half of [line.slice(0, 5), line.slice(5)]) text(log, half);
    await log.close();
    const sizes = await log.segments();
    expect(sizes.length).to.be.above(4);
    expect(sizes.map(({ number }) => number)).to.deep.equal(sizes.map((_, i) => i));
    const path = folderOf(log);
    const stored = sizes.map(({ number }) => readFileSync(join(path, number === 0 ? 'lines' : `lines.${number}`), 'utf8'));
    expect(stored.join('')).to.equal(lines.join(''));
    let before = 0;
    for (const [i, piece] of stored.entries()) {
      expect(piece.endsWith('\n')).to.equal(true);
      expect(piece.length, `segment ${i}`).to.be.at.most(1000 + 110);
      const files = await LogFiles.in(path);
      expect((await files.start(i)).place).to.deep.include({ line: before, byte: stored.slice(0, i).join('').length });
      before += piece.split('\n').length - 1;
    }
    expect(sizes[0]!.bytes).to.equal(['lines', 'events', 'index'].reduce((sum, name) => sum + statSync(join(path, name)).size, 0));
    expect(sizes[0]!.modifiedMs).to.be.within(Date.now() - 60_000, Date.now() + 1000);
  }));

  it('of a terminal end where a line begins, be it in the middle of a chunk', () => inFolder(async (folder) => {
    const log = newLog(folder, 'raw', { segmentBytesMax: 500 });
    for (let i = 0; i < 50; i++) text(log, `rest of ${i}\r\n${'x'.repeat(70)} the beginning of `);
    await log.close();
    const sizes = await log.segments();
    expect(sizes.length).to.be.above(4);
    for (const { number } of sizes.slice(0, -1)) expect(readFileSync(join(folderOf(log), number === 0 ? 'lines' : `lines.${number}`), 'utf8').endsWith('\r\n')).to.equal(true);
  }));

  it('are removed from the oldest on, and never the last one, whoever asks', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { segmentBytesMax: 500 });
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) text(log, `${'x'.repeat(99)}\n`);
      await until('it is written', () => log.written === log.position);
    };
    await fill();
    const sizes = await log.segments();
    expect(await log.dropSegments(3)).to.equal(sizes.slice(0, 3).reduce((sum, { bytes }) => sum + bytes, 0));
    expect((await log.segments()).map(({ number }) => number)).to.deep.equal(sizes.slice(3).map(({ number }) => number));
    expect(await log.dropSegments(3)).to.equal(0);
    await log.dropSegments(Infinity);
    expect(await log.segments()).to.have.length(1);
    expect(readdirSync(folderOf(log))).to.have.length(3);
    await fill();
    await log.close();
    expect((await listSegments(folderOf(log))).length).to.be.above(4);
    await dropSegments(folderOf(log), Infinity);
    expect(await listSegments(folderOf(log))).to.have.length(1);
    expect(await dropSegments(join(folder, 'none'), 5)).to.equal(0);
    expect(log.position.line).to.equal(60);
  }));

  it('leave nothing half made behind, and a half removed one counts for nothing', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { segmentBytesMax: 500 });
    for (let i = 0; i < 30; i++) text(log, `${'x'.repeat(99)}\n`);
    await log.close();
    const path = folderOf(log);
    const last = (await log.segments()).at(-1)!.number;
    rmSync(join(path, 'lines'));
    writeFileSync(join(path, `index.${last + 1}`), 'half');
    expect((await listSegments(path)).map(({ number }) => number)).to.deep.equal(Array.from({ length: last }, (_, i) => i + 1));
    const { log: resumed } = await RunLog.resume(path, { shape: 'lines', limits: defaultLimits, onFailure: (error) => { throw error; } });
    expect(readdirSync(path).filter((name) => name === 'index' || name === 'events' || name.endsWith(`.${last + 1}`))).to.deep.equal([]);
    expect(resumed.position).to.deep.equal(log.position);
    await resumed.close();
  }));

  it('are written events first, then lines, and the index last', () => inFolder(async (folder) => {
    const path = join(folder, 'log');
    const files = new LogFiles(path);
    const start = origin('lines', 64);
    const good = Buffer.from('x\n');
    // What cannot be written ends the append where it stands.
    const bad = undefined as unknown as Uint8Array;
    const append = (lines: Uint8Array, events: Uint8Array) => files.append({ segment: { number: 0, start }, lines: [lines], events: [events], marks: [start] }).catch(() => undefined);
    const sizes = () => ['events', 'lines', 'index'].map((name) => statSync(join(path, name)).size);
    await append(good, bad);
    expect(sizes()).to.deep.equal([0, 0, markBytes]);
    await append(bad, good);
    expect(sizes()).to.deep.equal([2, 0, markBytes]);
    await append(good, good);
    expect(sizes()).to.deep.equal([4, 2, 2 * markBytes]);
    files.close(true);
  }));
});

describe('a log that nobody has written to yet', () => {
  it('costs neither a folder nor an open file, waiting and closed, and thousands cost nothing either', () => inFolder(async (folder) => {
    const before = openFiles();
    const logs = Array.from({ length: 5000 }, () => newLog(folder));
    expect([readdirSync(folder).length, openFiles()]).to.deep.equal([0, before]);
    await Promise.all(logs.map((log) => log.close()));
    expect([readdirSync(folder).length, openFiles()]).to.deep.equal([0, before]);
  }));

  it('tells by its failure that its folder cannot be made', () => inFolder(async (folder) => {
    for (const path of [join(folder, 'no', 'such', 'folder'), join(folder, 'file')]) {
      writeFileSync(join(folder, 'file'), '');
      const failed = deferred<Error>();
      const log = RunLog.create(path, { shape: 'lines', limits: defaultLimits, onFailure: failed.resolve });
      log.emit('fact');
      text(log, 'lost\n');
      expect(String(await failed.promise)).to.match(/ENOENT|ENOTDIR/);
      expect(log.position.line).to.equal(0);
      await log.close();
      expect(existsSync(join(folder, 'no'))).to.equal(false);
    }
  }));
});

describe('what a log says of itself', () => {
  it('cannot be said by anybody else', () => inFolder(async (folder) => {
    const log = newLog(folder);
    for (const type of ['cut', 'stream', 'truncated', 'free']) log.emit(type);
    await log.close();
    expect([...readFileSync(join(folderOf(log), 'events'), 'utf8').matchAll(/"type":"([^"]*)"/g)].map(([, type]) => type)).to.deep.equal(['call:cut', 'call:stream', 'call:truncated', 'free']);
  }));

  it('includes the line that has begun and not ended, and when something was last printed', () => inFolder(async (folder) => {
    for (const shape of ['lines', 'raw'] as const) {
      const log = newLog(folder, shape);
      expect(log.unfinished(100)).to.equal(undefined);
      const made = log.lastWriteMs;
      text(log, 'done\nName: ');
      expect(log.lastWriteMs).to.be.above(made);
      expect(log.unfinished(100)).to.deep.equal({ stream: 'stdout', text: 'Name: ' });
      expect(log.unfinished(3)).to.deep.equal({ stream: 'stdout', text: 'e: ' });
      log.write('stdout', Buffer.from('€€').subarray(0, 5));
      expect(log.unfinished(100)?.text).to.equal('Name: €');
      expect(log.unfinished(4)?.text).to.equal(' €');
      expect(log.unfinished(2)).to.equal(undefined);
      if (shape === 'lines') {
        log.write('stderr', Buffer.from('why'));
        expect(log.unfinished(100)).to.deep.equal({ stream: 'stderr', text: 'why' });
      }
      await log.close();
      expect(log.unfinished(100)).to.equal(undefined);
    }
  }));
});
