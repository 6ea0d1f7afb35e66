// The parts of a run in its log: lines of their own, and from every place it is known whose the next one is.

import { expect } from 'chai';
import { join } from 'node:path';
import { defaultLimits } from '../../../protocol/limits.ts';
import { RunLog, type LogLimits } from '../../../server/runs/log/log.ts';
import { PastLog } from '../../../server/runs/log/past-log.ts';
import { Sources } from '../../../server/runs/log/sources.ts';
import type { Found } from '../../../server/runs/log/locate.ts';
import type { WatchedLog } from '../../../server/runs/log/watched.ts';
import { readLines } from '../../../server/runs/reading.ts';
import { RawWatcher } from '../../../server/runs/raw-watcher.ts';
import { Watcher } from '../../../server/runs/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { until } from '../../helpers/until.ts';
import { chance, type Chance, expectSame, failIfBroken, folderOf, inFolder, newLog, Notebook, payloadsOf, pick } from '../kit.ts';
import { Film } from './crash.ts';

const jobs = [undefined, 'build', 'test', 'a "name"\n'];

/** Prints whole lines that say themselves whose they are, in chunks of any size, and now and then an event. */
function print(log: RunLog, rnd: Chance, count: number): void {
  for (let i = 0; i < count; i++) {
    const job = pick(rnd, jobs);
    const stream = pick(rnd, ['stdout', 'stdout', 'stderr'] as const);
    const place = job === undefined ? log : log.part(job);
    const line = Buffer.from(`${JSON.stringify([stream, job ?? null])} ${'x'.repeat(rnd(60))}\n`);
    const times = rnd(8) === 0 ? 1 + rnd(rnd(4) === 0 ? 3000 : 40) : 1;
    place.write(stream, Buffer.concat(Array.from({ length: times }, () => line)));
    if (rnd(10) === 0) log.emit('fact', { text: 'e'.repeat(rnd(50)) });
    if (rnd(10) === 0) place.endStream(stream);
  }
}

/** Reads what it is told, and says of each line whether it was said to come from where it does. */
class Attribution {
  full = false;
  lines = 0;
  wrong: string[] = [];
  #source: string;

  constructor(told?: Uint8Array) {
    this.#source = told === undefined ? '["stdout",null]' : sourceIn(told);
  }

  frames(frames: Buffer): void {
    for (const payload of payloadsOf(frames)) {
      const text = payload.toString('utf8');
      this.lines += 1;
      if (!text.startsWith(`${this.#source} `)) this.wrong.push(`line ${this.lines} is said to be of ${this.#source}: ${text}`);
    }
  }

  event(json: Uint8Array): void {
    if ((JSON.parse(Buffer.from(json).toString('utf8')) as { type: string }).type === 'stream') this.#source = sourceIn(json);
  }

  /** What comes behind a gap says itself whose it is, or is plain. */
  gap(): void {
    this.#source = '["stdout",null]';
  }
}

function sourceIn(json: Uint8Array): string {
  const { stream, job } = JSON.parse(Buffer.from(json).toString('utf8')) as { stream: string; job?: string };
  return JSON.stringify([stream, job ?? null]);
}

async function watched(log: WatchedLog, { place, told }: Found): Promise<Attribution> {
  const outlet = new Attribution(told);
  const ended = deferred<void>();
  new Watcher(log, outlet, { shape: 'lines', from: place, onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return outlet;
}

function past(log: RunLog): PastLog {
  return new PastLog(folderOf(log), { shape: 'lines', lineBytesMax: 1 << 20, record: { lines: log.position.line, bytes: log.position.byte } });
}

function someLimits(rnd: Chance): Partial<LogLimits> {
  return { segmentBytesMax: pick(rnd, [2000, 100_000, 1 << 26]), tailBytesMax: pick(rnd, [0, 20_000]) };
}

async function told(log: RunLog): Promise<readonly string[]> {
  await log.close();
  const notebook = new Notebook();
  const ended = deferred<void>();
  new Watcher(log, notebook, { shape: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return notebook.told;
}

describe('the parts of a run', () => {
  it('have lines of their own, which never mix, and are told as theirs when that changes', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const [build, test] = [log.part('build'), log.part('test')];
    build.write('stdout', Buffer.from('comp'));
    log.write('stdout', Buffer.from('own\n'));
    test.write('stderr', Buffer.from('fail'));
    build.write('stdout', Buffer.from('iled\nlink'));
    log.part('build').write('stdout', Buffer.from('ed\n'));
    test.write('stderr', Buffer.from('ed\n'));
    test.write('stdout', Buffer.from('1\n'));
    expect(await told(log)).to.deep.equal([
      'own', '#stream:stdout:build 1', 'compiled', 'linked', '#stream:stderr:test 2', 'failed', '#stream:stdout:test 3', '1',
    ]);
  }));

  it('end each for itself, with a line that has begun, and begin again', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const [build, test] = [log.part('build'), log.part('test')];
    test.write('stdout', Buffer.from('half'));
    build.write('stdout', Buffer.from('all'));
    build.endStream('stdout');
    build.endStream('stdout');
    log.part('never').endStream('stderr');
    log.endStream('stdout');
    expect(log.unfinished(100)).to.equal(undefined);
    build.write('stdout', Buffer.from('again'));
    expect(log.unfinished(3)).to.deep.equal({ stream: 'stdout', job: 'build', text: 'ain' });
    expect(await told(log)).to.deep.equal(['#stream:stdout:build 1', 'all', '#unterminated 2', '#stream:stdout:test 3', 'half', '#unterminated 4', '#stream:stdout:build 5', 'again', '#unterminated 6']);
  }));

  it('have long lines cut, each its own', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { lineBytesMax: 64 });
    log.part('a').write('stdout', Buffer.from('x'.repeat(70)));
    log.part('b').write('stdout', Buffer.from(`${'y'.repeat(70)}\n`));
    log.part('a').write('stdout', Buffer.from('x\n'));
    expect(await told(log)).to.deep.equal([
      '#stream:stdout:a 1', 'x'.repeat(64), '#cut 2', '#stream:stdout:b 3', 'y'.repeat(64), '#cut 4', 'yyyyyy', '#stream:stdout:a 5', 'xxxxxxx',
    ]);
  }));

  it('have one bound together, and what was not kept of any is told', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { outputBytesMax: 10 });
    log.part('a').write('stdout', Buffer.from('1234\nbegun'));
    log.part('b').write('stderr', Buffer.from('also'));
    log.part('c').write('stdout', Buffer.from('56\n78\n90\n'));
    log.part('a').write('stdout', Buffer.from('late'));
    log.part('d').write('stdout', Buffer.from('later\n'));
    expect(await told(log)).to.deep.equal(['#stream:stdout:a 1', '1234', '#stream:stdout:c 2', '56', '#truncated 3', '#discarded 4']);
    const [event] = (await readEvents(log)).slice(-1);
    expect(event).to.include({ bytes: 'begun'.length + 'also'.length + '78\n90\n'.length + 'late'.length + 'later\n'.length });
  }));

  it('cost nothing once they have ended', () => {
    const sources = new Sources(64);
    for (let i = 0; i < 1000; i++) {
      for (const stream of ['stdout', 'stderr'] as const) {
        sources.ofPart(`job ${i}`, stream).splitter.push(Buffer.from('x'));
        sources.takePart(`job ${i}`, stream);
      }
    }
    expect(sources.all()).to.have.length(2);
  });

  it('are not those of a terminal, which is one', () => inFolder(async (folder) => {
    const log = newLog(folder, 'raw');
    log.part('a').write('stdout', Buffer.from('one '));
    log.write('stdout', Buffer.from('two'));
    log.part('a').endStream('stdout');
    await log.close();
    expect(log.position).to.deep.include({ line: 1, byte: 7, seq: 0 });
  }));

  it('are told whole lines to those who want output as it was printed', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { lineBytesMax: 64 });
    let text = '';
    const ended = deferred<void>();
    const outlet = { full: false, event() {}, frames: (frames: Buffer) => { text += payloadsOf(frames).map(String).join(''); } };
    new RawWatcher(log, outlet, { chunkMs: 1, chunkBytesMax: 1000, onEnd: ended.resolve, onError: ended.reject }).wake();
    log.write('stdout', Buffer.from('own\nbegun'));
    await until('it is told', () => text === 'own\nbegun');
    log.write('stdout', Buffer.from(' and ended\n'));
    log.part('a').write('stdout', Buffer.from(`${'x'.repeat(70)}\nhalf`));
    log.part('b').write('stdout', Buffer.from('b\r\n'));
    await log.close();
    await ended.promise;
    expect(text).to.equal(`own\nbegun and ended\n${'x'.repeat(64)}\nxxxxxx\nb\r\nhalf\n`);
  }));
});

async function readEvents(log: WatchedLog): Promise<readonly Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = [];
  const ended = deferred<void>();
  const outlet = { full: false, frames() {}, event: (json: Uint8Array) => void events.push(JSON.parse(Buffer.from(json).toString('utf8')) as Record<string, unknown>) };
  new Watcher(log, outlet, { shape: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return events;
}

describe('whose a line is', () => {
  it('is known from every place, live and over, and to those who read pages', async function () {
    this.timeout(60_000);
    for (let seed = 0; seed < 12; seed++) {
      await inFolder(async (folder) => {
        const rnd = chance(seed);
        const log = newLog(folder, 'lines', someLimits(rnd));
        const live: Promise<Attribution>[] = [];
        for (let i = 0; i < 6; i++) {
          print(log, rnd, 20);
          live.push(watched(log, await log.find({ last: 0 }, 'lines')), watched(log, await log.find({ after: rnd(log.position.line + 1) }, 'lines')));
        }
        await log.close();
        for (const [i, attribution] of (await Promise.all(live)).entries()) expect(attribution.wrong, `seed ${seed}, live ${i}`).to.deep.equal([]);
        for (let i = 0; i < 20; i++) {
          const after = rnd(log.position.line + 1);
          const wanted = Math.max(1, log.position.line - after);
          for (const there of [log, past(log)]) {
            const { wrong, lines } = await watched(there, await there.find(rnd(2) === 0 ? { after: log.position.line - wanted } : { last: wanted }, 'lines'));
            expect(wrong, `seed ${seed}, after ${after}`).to.deep.equal([]);
            expect(lines).to.equal(wanted);
          }
          const limit = 1 + rnd(500);
          const page = await readLines(folderOf(log), { after, limit, bytesMax: 1 << 20 }, { ended: true });
          let source = '["stdout",null]';
          expectSame(page.lines.map((_, at) => {
            const turn = page.sources?.find(({ from }) => from === after + at + 1);
            if (turn !== undefined) source = JSON.stringify([turn.stream, turn.job ?? null]);
            return source;
          }), page.lines.map((line) => line.slice(0, line.lastIndexOf(']') + 1)), `seed ${seed}, page after ${after}`);
        }
      });
    }
  });

  it('is known behind what was removed', async function () {
    this.timeout(60_000);
    let gaps = 0;
    for (let seed = 0; seed < 12; seed++) {
      await inFolder(async (folder) => {
        const rnd = chance(seed);
        const log = newLog(folder, 'lines', { segmentBytesMax: 2000, tailBytesMax: 0 });
        print(log, rnd, 150);
        await log.close();
        const { number } = (await log.segments()).at(-1)!;
        gaps += await log.dropSegments(1 + rnd(number)) > 0 ? 1 : 0;
        for (let i = 0; i < 10; i++) {
          const after = rnd(log.position.line + 1);
          expect((await watched(log, await log.find({ after }, 'lines'))).wrong, `seed ${seed}, after ${after}`).to.deep.equal([]);
        }
      });
    }
    expect(gaps).to.be.above(5);
  });

  it('is known after the gateway was killed, and of what is printed after that', async function () {
    this.timeout(60_000);
    for (let seed = 0; seed < 12; seed++) {
      await inFolder(async (folder) => {
        const rnd = chance(seed);
        const limits = { ...defaultLimits, ...someLimits(rnd) };
        const first = join(folder, 'first');
        const whole = RunLog.create(first, { shape: 'lines', limits, onFailure: failIfBroken });
        const film = new Film(first);
        for (let step = 0; step < 5; step++) await film.step(whole, () => print(whole, rnd, 30));
        await whole.close();
        for (let crash = 0; crash < 5; crash++) {
          const killed = join(folder, `killed-${crash}`);
          film.killedAt(rnd, killed);
          const { log } = await RunLog.resume(killed, { shape: 'lines', limits, onFailure: failIfBroken });
          const lines = log.position.line;
          if (rnd(2) === 0) log.write('stdout', Buffer.from('["stdout",null] behind it\n'));
          await log.close();
          for (const after of [0, rnd(lines + 1), lines]) {
            expect((await watched(log, await log.find({ after }, 'lines'))).wrong, `seed ${seed}, crash ${crash}, after ${after}`).to.deep.equal([]);
          }
        }
      });
    }
  });

  it('is not said again to those who say which events they have seen', () => inFolder(async (folder) => {
    const log = newLog(folder);
    log.part('build').write('stdout', Buffer.from('one\ntwo\nthree\n'));
    await log.close();
    expect(await log.find({ after: 2, seq: 1 }, 'lines')).not.to.have.property('told');
    expect(JSON.parse(Buffer.from((await log.find({ after: 2 }, 'lines')).told!).toString('utf8'))).to.deep.equal({ seq: 1, at: 0, type: 'stream', stream: 'stdout', job: 'build' });
    expect(await log.find({ after: 0 }, 'lines')).not.to.have.property('told');
  }));

  it('is said of plain output by nothing at all', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { segmentBytesMax: 100_000 });
    for (let i = 0; i < 50; i++) log.write('stdout', Buffer.from(`${'x'.repeat(99)}\n`.repeat(100)));
    await log.close();
    expect(log.position.seq).to.equal(0);
    for (const after of [1, 2000, 4999]) expect(await log.find({ after }, 'lines')).not.to.have.property('told');
    expect(await readLines(folderOf(log), { after: 10, limit: 5, bytesMax: 1000 }, { ended: true })).not.to.have.property('sources');
  }));
});
