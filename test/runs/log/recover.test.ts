import { expect } from 'chai';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import { RunLog, type LogLimits } from '../../../server/runs/log/log.ts';
import type { Shape } from '../../../server/runs/log/page.ts';
import { LineSplitter } from '../../../server/runs/log/splitter.ts';
import { readLines } from '../../../server/runs/reading.ts';
import { Watcher } from '../../../server/runs/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { until } from '../../helpers/until.ts';
import { chance, type Chance, chunksOf, failIfBroken, folderOf, inFolder, newLog, Notebook, openFiles, pick, someBytes } from '../kit.ts';
import { Film, stored } from './crash.ts';

type Streams = Readonly<Record<OutputStream, Buffer>>;

function resume(folder: string, shape: Shape, limits: Partial<LogLimits>) {
  return RunLog.resume(folder, { shape, limits: { ...defaultLimits, ...limits }, onFailure: failIfBroken });
}

/** Chunks of both streams from there on, in some order, with events between; at the end of a stream, its end. */
async function print(log: RunLog, film: Film, { rnd, streams, from }: { rnd: Chance; streams: Streams; from: Readonly<Record<OutputStream, number>> }): Promise<void> {
  const rest = { stdout: chunksOf(streams.stdout.subarray(from.stdout), rnd), stderr: chunksOf(streams.stderr.subarray(from.stderr), rnd) };
  const left = (): OutputStream[] => (['stdout', 'stderr'] as const).filter((stream) => rest[stream].length > 0);
  const steps = 1 + rnd(8);
  const total = rest.stdout.length + rest.stderr.length;
  while (left().length > 0) {
    const some = 1 + rnd(Math.ceil((2 * total) / steps));
    await film.step(log, () => {
      for (let i = 0; i < some && left().length > 0; i++) {
        const stream = pick(rnd, left());
        log.write(stream, rest[stream].shift()!);
        if (rest[stream].length === 0) log.endStream(stream);
        if (rnd(10) === 0) log.emit(pick(rnd, ['fact', 'cut', 'stream', 'truncated']), { stream: 'stderr', text: 'e'.repeat(rnd(300)) });
      }
    });
  }
}

function someLimits(rnd: Chance): Pick<LogLimits, 'lineBytesMax' | 'segmentBytesMax' | 'tailBytesMax'> {
  return { lineBytesMax: pick(rnd, [64, 300, 1 << 20]), segmentBytesMax: pick(rnd, [1500, 20_000, 1 << 26]), tailBytesMax: pick(rnd, [0, 1 << 20]) };
}

function someStreams(rnd: Chance): Streams {
  const size = pick(rnd, [30, 300, 300, 4000]);
  return { stdout: someBytes(rnd, rnd(size)), stderr: someBytes(rnd, rnd(size)) };
}

describe('a log after the gateway was killed', () => {
  it('is gone on with where it was: nothing is lost and nothing is doubled of what was printed', async function () {
    this.timeout(60_000);
    const filesBefore = openFiles();
    for (let seed = 0; seed < 16; seed++) {
      await inFolder(async (folder) => {
        const rnd = chance(seed);
        const limits = someLimits(rnd);
        const streams = someStreams(rnd);
        const first = join(folder, 'first');
        const whole = RunLog.create(first, { shape: 'lines', limits: { ...defaultLimits, ...limits }, onFailure: failIfBroken });
        let film = new Film(first);
        await print(whole, film, { rnd, streams, from: { stdout: 0, stderr: 0 } });
        await whole.close();
        expect(stored(first).streams, `seed ${seed}`).to.deep.equal(streams);
        for (let crash = 0; crash < 3; crash++) {
          const what = `seed ${seed}, crash ${crash}`;
          const killed = join(folder, `killed-${crash}`);
          film.killedAt(rnd, killed);
          const { log, sourceBytes } = await resume(killed, 'lines', limits);
          const before = stored(killed);
          expect({ stdout: before.streams.stdout.length, stderr: before.streams.stderr.length }, what).to.deep.equal(sourceBytes);
          expect(log.position, what).to.deep.include({ line: before.lines, seq: before.events.length });
          film = new Film(killed);
          await print(log, film, { rnd, streams, from: sourceBytes });
          await log.close();
          const after = stored(killed);
          expect(after.streams, what).to.deep.equal(streams);
          expect(log.position, what).to.deep.include({ line: after.lines, seq: after.events.length });
        }
      });
    }
    await until('no file is left open', () => openFiles() <= filesBefore);
  });

  it('keeps to its bound, and what was not kept is told to the byte', async function () {
    this.timeout(60_000);
    for (let seed = 0; seed < 12; seed++) {
      await inFolder(async (folder) => {
        const rnd = chance(seed);
        const limits = { ...someLimits(rnd), outputBytesMax: 1 + rnd(2000) };
        const streams = { stdout: someBytes(rnd, 300), stderr: someBytes(rnd, 300) };
        const first = join(folder, 'first');
        const whole = RunLog.create(first, { shape: 'lines', limits: { ...defaultLimits, ...limits }, onFailure: failIfBroken });
        const film = new Film(first);
        await print(whole, film, { rnd, streams, from: { stdout: 0, stderr: 0 } });
        await whole.close();
        const killed = join(folder, 'killed');
        film.killedAt(rnd, killed);
        const { log, sourceBytes } = await resume(killed, 'lines', limits);
        await print(log, new Film(killed), { rnd, streams, from: sourceBytes });
        await log.close();
        for (const place of [first, killed]) {
          const found = stored(place);
          const kept = found.streams.stdout.length + found.streams.stderr.length;
          expect(streams.stdout.subarray(0, found.streams.stdout.length).equals(found.streams.stdout), `seed ${seed}`).to.equal(true);
          expect(streams.stderr.subarray(0, found.streams.stderr.length).equals(found.streams.stderr), `seed ${seed}`).to.equal(true);
          const lost = streams.stdout.length + streams.stderr.length - kept;
          const told = found.events.filter(({ type }) => type === 'truncated' || type === 'discarded').map(({ type, bytes }) => (type === 'discarded' ? bytes : type));
          expect(told, `seed ${seed}`).to.deep.equal(lost === 0 ? [] : ['truncated', lost]);
        }
        expect(log.position.byte).to.be.at.most(limits.outputBytesMax);
      });
    }
  });

  it('keeps what it has when its bound was lowered meanwhile', () => inFolder(async (folder) => {
    for (const shape of ['lines', 'raw'] as const) {
      const log = newLog(folder, shape);
      log.write('stdout', Buffer.from('one\ntwo\nthree\n'));
      await log.close();
      const again = (await resume(folderOf(log), shape, { outputBytesMax: 5 })).log;
      again.write('stdout', Buffer.from('four\nfive\n'));
      await again.close();
      expect(readFileSync(join(folderOf(log), 'lines'), 'utf8')).to.equal('one\ntwo\nthree\n');
      expect(readFileSync(join(folderOf(log), 'events'), 'utf8')).to.match(/"type":"truncated","bytesMax":5}\n.*"type":"discarded","bytes":10}\n$/);
    }
  }));

  it('of a terminal ends with a whole character, and counts its lines as if nothing had happened', async function () {
    this.timeout(60_000);
    for (let seed = 0; seed < 16; seed++) {
      await inFolder(async (folder) => {
        const rnd = chance(seed);
        const limits = someLimits(rnd);
        const first = join(folder, 'first');
        const whole = RunLog.create(first, { shape: 'raw', limits: { ...defaultLimits, ...limits }, onFailure: failIfBroken });
        const film = new Film(first);
        await print(whole, film, { rnd, streams: { stdout: someBytes(rnd, 2000), stderr: Buffer.alloc(0) }, from: { stdout: 0, stderr: 0 } });
        await whole.close();
        const killed = join(folder, 'killed');
        film.killedAt(rnd, killed);
        const begun = existsSync(join(killed, 'lines'));
        const { log } = await resume(killed, 'raw', { ...limits, lineBytesMax: 1 << 20 });
        for (const chunk of chunksOf(someBytes(rnd, 300), rnd)) log.write('stdout', chunk);
        await log.close();
        const notebook = new Notebook();
        const ended = deferred<void>();
        new Watcher(log, notebook, { shape: 'raw', onEnd: ended.resolve, onError: ended.reject }).wake();
        await ended.promise;
        const text = Buffer.from(notebook.told.filter((one) => !one.startsWith('#')).join(''));
        expect(text.length, `seed ${seed}`).to.equal(log.position.byte);
        expect(isUtf8(text)).to.equal(true);
        // When it was killed before it had begun, it began anew, with another bound.
        const splitter = new LineSplitter(begun ? limits.lineBytesMax : 1 << 20);
        const lines = [...splitter.push(text), ...splitter.flush()].reduce((sum, region) => sum + region.lines, 0);
        expect(log.position.line, `seed ${seed}`).to.equal(lines);
        const page = await readLines(killed, { after: 0, limit: Infinity, bytesMax: Infinity }, { ended: true });
        expect(page.lines.length, `seed ${seed}`).to.equal(lines);
      });
    }
  });

  it('is an empty one when nothing was written yet, and can be closed as it is', () => inFolder(async (folder) => {
    for (const make of [() => {}, () => mkdirSync(join(folder, 'log')), () => writeFileSync(join(folder, 'log', 'index'), 'half'), () => writeFileSync(join(folder, 'log', 'events'), '')]) {
      make();
      const { log, sourceBytes } = await resume(join(folder, 'log'), 'lines', {});
      expect(sourceBytes).to.deep.equal({ stdout: 0, stderr: 0 });
      await log.close();
      expect(log.position).to.deep.equal({ line: 0, byte: 0, seq: 0, eventByte: 0 });
    }
    const { log } = await resume(join(folder, 'log'), 'lines', {});
    log.write('stdout', Buffer.from('after all\n'));
    await log.close();
    expect(readFileSync(join(folder, 'log', 'lines'), 'utf8')).to.equal('after all\n');
    expect(readdirSync(join(folder, 'log')).sort()).to.deep.equal(['events', 'index', 'lines']);
  }));

  it('of an older version, whose index is of another kind, is read and gone on with', () => inFolder(async (folder) => {
    const path = join(folder, 'log');
    mkdirSync(path);
    writeFileSync(join(path, 'lines'), 'one\ntwo\nthree');
    writeFileSync(join(path, 'events'), '{"seq":1,"at":1,"type":"stream","stream":"stderr"}\n');
    writeFileSync(join(path, 'index'), Buffer.alloc(96, 7));
    expect((await readLines(path, { after: 1, limit: 5, bytesMax: 100 }, { ended: true })).lines).to.deep.equal(['two', 'three']);
    const { log, sourceBytes } = await resume(path, 'lines', {});
    expect(sourceBytes).to.deep.equal({ stdout: 4, stderr: 4 });
    log.write('stderr', Buffer.from('3\n'));
    await log.close();
    expect((await readLines(path, { after: 0, limit: 5, bytesMax: 100 }, { ended: true })).lines).to.deep.equal(['one', 'two', '3']);
  }));

  it('is seen on by those who watched it before, from their cursor', () => inFolder(async (folder) => {
    const log = newLog(folder);
    log.write('stdout', Buffer.from('one\ntwo\nthree\n'));
    await log.close();
    const path = join(folder, readdirSync(folder)[0]!);
    appendFileSync(join(path, 'lines'), 'torn');
    const resumed = (await resume(path, 'lines', {})).log;
    const notebook = new Notebook();
    const ended = deferred<void>();
    // They had seen a line that the disk had not.
    const place = resumed.locate({ after: 4 }, 'lines');
    resumed.write('stdout', Buffer.from('four\nfive\n'));
    new Watcher(resumed, notebook, { shape: 'lines', from: await place, onEnd: ended.resolve, onError: ended.reject }).wake();
    await resumed.close();
    await ended.promise;
    expect(notebook.told).to.deep.equal(['five']);
  }));
});
