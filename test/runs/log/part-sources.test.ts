// Tests a log to which several jobs and services write: their lines never mix, and watchers know the source of each.

import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import { type LogLimits, RunLog } from '../../../server/runs/log/log.ts';
import type { LocateResult } from '../../../server/runs/log/storage/locate.ts';
import { StoredLog } from '../../../server/runs/log/stored-log.ts';
import { OutputSources } from '../../../server/runs/log/text/output-sources.ts';
import type { WatchableLog } from '../../../server/runs/log/watchable-log.ts';
import { type LinesPage, readLines } from '../../../server/runs/views/line-page.ts';
import { RawWatcher } from '../../../server/runs/views/raw-watcher.ts';
import { Watcher } from '../../../server/runs/views/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { WriteRecorder } from '../../helpers/runs/log-crash.ts';
import {
  expectSameItems,
  logFolder,
  newLog,
  pick,
  type RandomInteger,
  RecordingSink,
  readEntryLines,
  seededRandom,
  throwError,
  withTempFolder,
} from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const jobs = [undefined, 'build', 'test', 'a "name"\n'];
const services = [undefined, undefined, 'db', 'build'];

/** Prints whole lines that contain the name of their source, in chunks of any size, with events in between. */
function print(log: RunLog, random: RandomInteger, count: number): void {
  for (let i = 0; i < count; i++) {
    const job = pick(random, jobs);
    const stream = pick(random, ['stdout', 'stdout', 'stderr'] as const);
    const service = job === undefined ? undefined : pick(random, services);
    const output = job === undefined ? log : log.part(job, service);
    const line = Buffer.from(`${sourceText({ stream, job, service })} ${'x'.repeat(random(60))}\n`);
    const times = random(8) === 0 ? 1 + random(random(4) === 0 ? 3000 : 40) : 1;
    output.write(stream, Buffer.concat(Array.from({ length: times }, () => line)));
    if (random(10) === 0) log.emit('fact', { text: 'e'.repeat(random(50)) });
    if (random(10) === 0) output.endStream(stream);
  }
}

/** A sink that compares each line with the source that was announced for it. */
class AttributionSink {
  full = false;
  lines = 0;
  wrong: string[] = [];
  #source: string;

  constructor(sourceEvent?: Uint8Array) {
    this.#source = sourceEvent === undefined ? '["stdout",null]' : sourceIn(sourceEvent);
  }

  output(entry: OutputEntry): void {
    for (const text of readEntryLines(entry)) {
      this.lines += 1;
      if (!text.startsWith(`${this.#source} `))
        this.wrong.push(`line ${this.lines} is attributed to ${this.#source}: ${text}`);
    }
  }

  event(json: Uint8Array): void {
    if ((JSON.parse(Buffer.from(json).toString('utf8')) as { type: string }).type === 'stream')
      this.#source = sourceIn(json);
  }

  /** After a gap, lines are plain stdout unless an event names another source. */
  gap(): void {
    this.#source = '["stdout",null]';
  }
}

interface Source {
  readonly stream: string;
  readonly job?: string | undefined;
  readonly service?: string | undefined;
}

function sourceText({ stream, job, service }: Source): string {
  return JSON.stringify([stream, job ?? null, ...(service === undefined ? [] : [service])]);
}

function sourceIn(json: Uint8Array): string {
  return sourceText(JSON.parse(Buffer.from(json).toString('utf8')) as Source);
}

/** Compares the beginning of a page that leaves out services with a page that has all lines. */
function expectWithoutServices(all: LinesPage, shown: LinesPage, after: number): void {
  const omitted = new Set(
    (shown.omitted ?? []).flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i)),
  );
  const numbers = all.lines.map((_, at) => after + at + 1).filter((line) => line <= shown.next);
  const kept = numbers.filter((line) => !omitted.has(line)).map((line) => all.lines[line - after - 1]!);
  expectSameItems(shown.lines.slice(0, kept.length), kept, `lines after ${after}`);
  for (const line of shown.lines) expect(JSON.parse(line.slice(0, line.lastIndexOf(']') + 1))).to.have.length(2);
  for (const line of numbers.filter((number) => omitted.has(number)))
    expect(all.lines[line - after - 1]).to.match(/^\["\w+",".+","\w+"\] /);
  expect(shown.lines.length + omitted.size).to.equal(shown.next - after);
}

async function attributeLines(log: WatchableLog, { position, sourceEvent }: LocateResult): Promise<AttributionSink> {
  const sink = new AttributionSink(sourceEvent);
  const ended = deferred<void>();
  new Watcher(log, sink, { format: 'lines', from: position, onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return sink;
}

function openStoredLog(log: RunLog): StoredLog {
  return new StoredLog(logFolder(log), {
    format: 'lines',
    lineBytesMax: 1 << 20,
    record: { lines: log.position.line, bytes: log.position.byte },
  });
}

function someLimits(random: RandomInteger): Partial<LogLimits> {
  return { segmentBytesMax: pick(random, [2000, 100_000, 1 << 26]), tailBytesMax: pick(random, [0, 20_000]) };
}

async function readEntries(log: RunLog): Promise<readonly string[]> {
  await log.close();
  const recorder = new RecordingSink();
  const ended = deferred<void>();
  new Watcher(log, recorder, { format: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return recorder.received;
}

describe('the parts of a run', () => {
  it('the lines of parts never mix, and an event announces each change of the part', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const [build, test] = [log.part('build'), log.part('test')];
      build.write('stdout', Buffer.from('comp'));
      log.write('stdout', Buffer.from('own\n'));
      test.write('stderr', Buffer.from('fail'));
      build.write('stdout', Buffer.from('iled\nlink'));
      log.part('build').write('stdout', Buffer.from('ed\n'));
      test.write('stderr', Buffer.from('ed\n'));
      test.write('stdout', Buffer.from('1\n'));
      expect(await readEntries(log)).to.deep.equal([
        'own',
        '#stream:stdout:build 1',
        'compiled',
        'linked',
        '#stream:stderr:test 2',
        'failed',
        '#stream:stdout:test 3',
        '1',
      ]);
    }));

  it('a part ends on its own, with its partial line, and can print again later', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const [build, test] = [log.part('build'), log.part('test')];
      test.write('stdout', Buffer.from('half'));
      build.write('stdout', Buffer.from('all'));
      build.endStream('stdout');
      build.endStream('stdout');
      log.part('never').endStream('stderr');
      log.endStream('stdout');
      expect(log.partialLine(100)).to.equal(undefined);
      build.write('stdout', Buffer.from('again'));
      expect(log.partialLine(3)).to.deep.equal({ stream: 'stdout', job: 'build', text: 'ain' });
      expect(await readEntries(log)).to.deep.equal([
        '#stream:stdout:build 1',
        'all',
        '#unterminated 2',
        '#stream:stdout:test 3',
        'half',
        '#unterminated 4',
        '#stream:stdout:build 5',
        'again',
        '#unterminated 6',
      ]);
    }));

  it('an unfinished line of a service is not reported and does not hide that of its job', async () => {
    await withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', {});
      const silentFrom = log.lastWriteMs;
      log.part('build', 'db').write('stdout', Buffer.from('wait'));
      expect(log.partialLine(10)).to.equal(undefined);
      expect(log.lastWriteMs).to.equal(silentFrom);
      log.part('build').write('stdout', Buffer.from('name? '));
      log.part('build', 'db').write('stdout', Buffer.from('ing'));
      expect(log.partialLine(10)).to.deep.equal({ stream: 'stdout', job: 'build', text: 'name? ' });
      await log.close();
    });
  });

  it('a page can end at its size limit among lines of a service that it omits', async () => {
    await withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', {});
      log.part('build', 'db').write('stdout', Buffer.from('0123456789\n'.repeat(5)));
      log.part('build').write('stdout', Buffer.from('built\n'));
      await log.close();
      const query = { limit: 10, bytesMax: 35 };
      const first = await readLines(logFolder(log), { ...query, after: 0 }, { ended: true });
      expect(first).to.deep.equal({ lines: [], omitted: [{ from: 1, to: 3 }], next: 3, ended: false });
      expect(await readLines(logFolder(log), { ...query, after: first.next }, { ended: true })).to.deep.equal({
        lines: ['built'],
        sources: [{ from: 6, stream: 'stdout', job: 'build' }],
        omitted: [{ from: 4, to: 5 }],
        next: 6,
        ended: true,
      });
    });
  });

  it('the long lines of each part are cut separately', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { lineBytesMax: 64 });
      log.part('a').write('stdout', Buffer.from('x'.repeat(70)));
      log.part('b').write('stdout', Buffer.from(`${'y'.repeat(70)}\n`));
      log.part('a').write('stdout', Buffer.from('x\n'));
      expect(await readEntries(log)).to.deep.equal([
        '#stream:stdout:a 1',
        'x'.repeat(64),
        '#cut 2',
        '#stream:stdout:b 3',
        'y'.repeat(64),
        '#cut 4',
        'yyyyyy',
        '#stream:stdout:a 5',
        'xxxxxxx',
      ]);
    }));

  it('all parts share one output limit, and one event reports all discarded bytes', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { outputBytesMax: 10 });
      log.part('a').write('stdout', Buffer.from('1234\nbegun'));
      log.part('b').write('stderr', Buffer.from('also'));
      log.part('c').write('stdout', Buffer.from('56\n78\n90\n'));
      log.part('a').write('stdout', Buffer.from('late'));
      log.part('d').write('stdout', Buffer.from('later\n'));
      expect(await readEntries(log)).to.deep.equal([
        '#stream:stdout:a 1',
        '1234',
        '#stream:stdout:c 2',
        '56',
        '#truncated 3',
        '#discarded 4',
      ]);
      const [event] = (await readEvents(log)).slice(-1);
      expect(event).to.include({
        bytes: 'begun'.length + 'also'.length + '78\n90\n'.length + 'late'.length + 'later\n'.length,
      });
    }));

  it('parts need no memory after their end', () => {
    const sources = new OutputSources(64);
    for (let i = 0; i < 1000; i++) {
      for (const stream of ['stdout', 'stderr'] as const) {
        sources.partSource({ job: `job ${i}` }, stream).splitter.push(Buffer.from('x'));
        sources.closePart({ job: `job ${i}` }, stream);
      }
    }
    expect(sources.all()).to.have.length(2);
  });

  it('a terminal has no parts', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'raw');
      log.part('a').write('stdout', Buffer.from('one '));
      log.write('stdout', Buffer.from('two'));
      log.part('a').endStream('stdout');
      await log.close();
      expect(log.position).to.deep.include({ line: 1, byte: 7, seq: 0 });
    }));

  it('raw watchers receive whole lines of parts', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { lineBytesMax: 64 });
      let text = '';
      const ended = deferred<void>();
      const sink = {
        full: false,
        event() {},
        text: (chunk: Uint8Array) => {
          text += String(chunk);
        },
      };
      new RawWatcher(log, sink, {
        chunkMs: 1,
        chunkBytesMax: 1000,
        onEnd: ended.resolve,
        onError: ended.reject,
      }).wake();
      log.write('stdout', Buffer.from('own\nbegun'));
      await waitUntil('the text arrives', () => text === 'own\nbegun');
      log.write('stdout', Buffer.from(' and ended\n'));
      log.part('a').write('stdout', Buffer.from(`${'x'.repeat(70)}\nhalf`));
      log.part('b').write('stdout', Buffer.from('b\r\n'));
      await log.close();
      await ended.promise;
      expect(text).to.equal(`own\nbegun and ended\n${'x'.repeat(64)}\nxxxxxx\nb\r\nhalf\n`);
    }));
});

describe('the source of a line after a gap', () => {
  it('a raw watcher that has fallen behind within lines of a service receives the lines after the gap', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { segmentBytesMax: 1000, tailBytesMax: 0 });
      let text = '';
      const ended = deferred<void>();
      const sink = {
        full: false,
        event() {},
        text: (chunk: Uint8Array) => {
          text += String(chunk);
        },
      };
      const options = { chunkMs: 1, chunkBytesMax: 1000, onEnd: ended.resolve, onError: ended.reject };
      const watcher = new RawWatcher(log, sink, options);
      log.part('a', 'db').write('stderr', Buffer.from('db\n'));
      await waitUntil('the watcher has passed the line', () => watcher.position.line === 1);
      sink.full = true;
      for (let i = 0; i < 30; i++) log.write('stdout', Buffer.from(`${i} ${'x'.repeat(100)}\n`));
      await log.close();
      expect(await log.dropSegments((await log.segments()).at(-1)!.number)).to.be.above(0);
      sink.full = false;
      watcher.wake();
      await ended.promise;
      expect(text).to.match(/^\d+ x+\n(?:\d+ x+\n)*$/);
      expect(text.trimEnd().split('\n').at(-1)).to.equal(`29 ${'x'.repeat(100)}`);
    }));
});

async function readEvents(log: WatchableLog): Promise<readonly Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = [];
  const ended = deferred<void>();
  const sink = {
    full: false,
    output() {},
    event: (json: Uint8Array) =>
      void events.push(JSON.parse(Buffer.from(json).toString('utf8')) as Record<string, unknown>),
  };
  new Watcher(log, sink, { format: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return events;
}

describe('the source of a line', () => {
  it('watchers and pages know the source of a line from every position, in active and ended logs', async function () {
    this.timeout(60_000);
    for (const seed of seeds(12)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const log = newLog(folder, 'lines', someLimits(random));
        const live: Promise<AttributionSink>[] = [];
        for (let i = 0; i < 6; i++) {
          print(log, random, 20);
          live.push(
            attributeLines(log, await log.locateWithSource({ last: 0 }, 'lines')),
            attributeLines(log, await log.locateWithSource({ after: random(log.position.line + 1) }, 'lines')),
          );
        }
        await log.close();
        for (const [i, attribution] of (await Promise.all(live)).entries())
          expect(attribution.wrong, `seed ${seed}, live ${i}`).to.deep.equal([]);
        for (let i = 0; i < 20; i++) {
          const after = random(log.position.line + 1);
          const lineCount = Math.max(1, log.position.line - after);
          for (const view of [log, openStoredLog(log)]) {
            const { wrong, lines } = await attributeLines(
              view,
              await view.locateWithSource(
                random(2) === 0 ? { after: log.position.line - lineCount } : { last: lineCount },
                'lines',
              ),
            );
            expect(wrong, `seed ${seed}, after ${after}`).to.deep.equal([]);
            expect(lines).to.equal(lineCount);
          }
          const limit = 1 + random(500);
          const query = { after, limit, bytesMax: 1 << 20 };
          const page = await readLines(logFolder(log), { ...query, services: true }, { ended: true });
          let source = '["stdout",null]';
          expectSameItems(
            page.lines.map((_, at) => {
              const change = page.sources?.find(({ from }) => from === after + at + 1);
              if (change !== undefined) source = sourceText(change);
              return source;
            }),
            page.lines.map((line) => line.slice(0, line.lastIndexOf(']') + 1)),
            `seed ${seed}, page after ${after}`,
          );
          expectWithoutServices(page, await readLines(logFolder(log), query, { ended: true }), after);
        }
      });
    }
  });

  it('watchers know the source of the first line after removed output', async function () {
    this.timeout(60_000);
    let gaps = 0;
    for (let seed = 0; seed < 12; seed++) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const log = newLog(folder, 'lines', { segmentBytesMax: 2000, tailBytesMax: 0 });
        print(log, random, 150);
        await log.close();
        const { number } = (await log.segments()).at(-1)!;
        gaps += (await log.dropSegments(1 + random(number))) > 0 ? 1 : 0;
        for (let i = 0; i < 10; i++) {
          const after = random(log.position.line + 1);
          expect(
            (await attributeLines(log, await log.locateWithSource({ after }, 'lines'))).wrong,
            `seed ${seed}, after ${after}`,
          ).to.deep.equal([]);
        }
      });
    }
    expect(gaps).to.be.above(5);
  });

  it('watchers know the source of a line after the gateway was killed, including new output', async function () {
    this.timeout(60_000);
    for (const seed of seeds(12)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const limits = { ...defaultLimits, ...someLimits(random) };
        const first = join(folder, 'first');
        const whole = RunLog.create(first, { format: 'lines', limits, onFailure: throwError });
        const film = new WriteRecorder(first);
        for (let step = 0; step < 5; step++) await film.step(whole, () => print(whole, random, 30));
        await whole.close();
        for (let crash = 0; crash < 5; crash++) {
          const killed = join(folder, `killed-${crash}`);
          film.copyAtCrash(random, killed);
          const { log } = await RunLog.resume(killed, { format: 'lines', limits, onFailure: throwError });
          const lines = log.position.line;
          if (random(2) === 0) log.write('stdout', Buffer.from('["stdout",null] behind it\n'));
          await log.close();
          for (const after of [0, random(lines + 1), lines]) {
            expect(
              (await attributeLines(log, await log.locateWithSource({ after }, 'lines'))).wrong,
              `seed ${seed}, crash ${crash}, after ${after}`,
            ).to.deep.equal([]);
          }
        }
      });
    }
  });

  it('clients that name their last event do not receive the source event again', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.part('build').write('stdout', Buffer.from('one\ntwo\nthree\n'));
      await log.close();
      expect(await log.locateWithSource({ after: 2, seq: 1 }, 'lines')).not.to.have.property('sourceEvent');
      expect(
        JSON.parse(Buffer.from((await log.locateWithSource({ after: 2 }, 'lines')).sourceEvent!).toString('utf8')),
      ).to.deep.equal({
        seq: 1,
        at: 0,
        type: 'stream',
        stream: 'stdout',
        job: 'build',
      });
      expect(await log.locateWithSource({ after: 0 }, 'lines')).not.to.have.property('sourceEvent');
    }));

  it('plain output has no event for its source', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { segmentBytesMax: 100_000 });
      for (let i = 0; i < 50; i++) log.write('stdout', Buffer.from(`${'x'.repeat(99)}\n`.repeat(100)));
      await log.close();
      expect(log.position.seq).to.equal(0);
      for (const after of [1, 2000, 4999])
        expect(await log.locateWithSource({ after }, 'lines')).not.to.have.property('sourceEvent');
      expect(
        await readLines(logFolder(log), { after: 10, limit: 5, bytesMax: 1000 }, { ended: true }),
      ).not.to.have.property('sources');
    }));
});
