// Tests the recovery of logs after the gateway was killed.

import { isUtf8 } from 'node:buffer';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { OutputStream } from '../../../../calls/contract/ports.ts';
import { defaultLimits } from '../../../../protocol/limits.ts';
import { type LogLimits, RunLog } from '../../../../server/runs/log/log.ts';
import type { LogFormat } from '../../../../server/runs/log/storage/read-page.ts';
import { LineSplitter } from '../../../../server/runs/log/text/line-splitter.ts';
import { readLines } from '../../../../server/runs/views/line-page.ts';
import { Watcher } from '../../../../server/runs/views/watcher.ts';
import { deferred } from '../../../../server/support/deferred.ts';
import { readStoredLog, WriteRecorder } from '../../../helpers/runs/log-crash.ts';
import {
  countOpenFiles,
  logFolder,
  newLog,
  pick,
  type RandomInteger,
  RecordingSink,
  randomChunks,
  randomOutput,
  seededRandom,
  throwError,
  withTempFolder,
} from '../../../helpers/runs/test-log.ts';
import { seeds } from '../../../helpers/seeded-random.ts';
import { waitUntil } from '../../../helpers/wait-until.ts';

type Streams = Readonly<Record<OutputStream, Buffer>>;

function resume(folder: string, format: LogFormat, limits: Partial<LogLimits>) {
  return RunLog.resume(folder, { format, limits: { ...defaultLimits, ...limits }, onFailure: throwError });
}

/** Writes the rest of both streams after `from` in random chunks, with events in between, and ends the streams. */
async function print(
  log: RunLog,
  recorder: WriteRecorder,
  { random, streams, from }: { random: RandomInteger; streams: Streams; from: Readonly<Record<OutputStream, number>> },
): Promise<void> {
  const rest = {
    stdout: randomChunks(streams.stdout.subarray(from.stdout), random),
    stderr: randomChunks(streams.stderr.subarray(from.stderr), random),
  };
  const left = (): OutputStream[] => (['stdout', 'stderr'] as const).filter((stream) => rest[stream].length > 0);
  const steps = 1 + random(8);
  const total = rest.stdout.length + rest.stderr.length;
  while (left().length > 0) {
    const some = 1 + random(Math.ceil((2 * total) / steps));
    await recorder.step(log, () => {
      for (let i = 0; i < some && left().length > 0; i++) {
        const stream = pick(random, left());
        log.write(stream, rest[stream].shift()!);
        if (rest[stream].length === 0) log.endStream(stream);
        if (random(10) === 0)
          log.emit(pick(random, ['fact', 'cut', 'stream', 'truncated']), {
            stream: 'stderr',
            text: 'e'.repeat(random(300)),
          });
      }
    });
  }
}

function someLimits(random: RandomInteger): Pick<LogLimits, 'lineBytesMax' | 'segmentBytesMax' | 'tailBytesMax'> {
  return {
    lineBytesMax: pick(random, [64, 300, 1 << 20]),
    segmentBytesMax: pick(random, [1500, 20_000, 1 << 26]),
    tailBytesMax: pick(random, [0, 1 << 20]),
  };
}

function someStreams(random: RandomInteger): Streams {
  const size = pick(random, [30, 300, 300, 4000]);
  return { stdout: randomOutput(random, random(size)), stderr: randomOutput(random, random(size)) };
}

describe('a log after the gateway was killed', () => {
  it('a log continues after a kill without losing or repeating output', async function () {
    this.timeout(60_000);
    const filesBefore = countOpenFiles();
    for (const seed of seeds(16)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const limits = someLimits(random);
        const streams = someStreams(random);
        const first = join(folder, 'first');
        const whole = RunLog.create(first, {
          format: 'lines',
          limits: { ...defaultLimits, ...limits },
          onFailure: throwError,
        });
        let recorder = new WriteRecorder(first);
        await print(whole, recorder, { random, streams, from: { stdout: 0, stderr: 0 } });
        await whole.close();
        expect(readStoredLog(first).streams, `seed ${seed}`).to.deep.equal(streams);
        for (let crash = 0; crash < 3; crash++) {
          const what = `seed ${seed}, crash ${crash}`;
          const killed = join(folder, `killed-${crash}`);
          recorder.copyAtCrash(random, killed);
          const { log, sourceBytes } = await resume(killed, 'lines', limits);
          const before = readStoredLog(killed);
          expect({ stdout: before.streams.stdout.length, stderr: before.streams.stderr.length }, what).to.deep.equal(
            sourceBytes,
          );
          expect(log.position, what).to.deep.include({ line: before.lines, seq: before.events.length });
          recorder = new WriteRecorder(killed);
          await print(log, recorder, { random, streams, from: sourceBytes });
          await log.close();
          const after = readStoredLog(killed);
          expect(after.streams, what).to.deep.equal(streams);
          expect(log.position, what).to.deep.include({ line: after.lines, seq: after.events.length });
        }
      });
    }
    await waitUntil('no file is left open', () => countOpenFiles() <= filesBefore);
  });

  it('a log has the same limit after a kill and reports the exact number of discarded bytes', async function () {
    this.timeout(60_000);
    for (const seed of seeds(12)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const limits = { ...someLimits(random), outputBytesMax: 1 + random(2000) };
        const streams = { stdout: randomOutput(random, 300), stderr: randomOutput(random, 300) };
        const first = join(folder, 'first');
        const whole = RunLog.create(first, {
          format: 'lines',
          limits: { ...defaultLimits, ...limits },
          onFailure: throwError,
        });
        const recorder = new WriteRecorder(first);
        await print(whole, recorder, { random, streams, from: { stdout: 0, stderr: 0 } });
        await whole.close();
        const killed = join(folder, 'killed');
        recorder.copyAtCrash(random, killed);
        const { log, sourceBytes } = await resume(killed, 'lines', limits);
        await print(log, new WriteRecorder(killed), { random, streams, from: sourceBytes });
        await log.close();
        for (const place of [first, killed]) {
          const found = readStoredLog(place);
          const kept = found.streams.stdout.length + found.streams.stderr.length;
          expect(
            streams.stdout.subarray(0, found.streams.stdout.length).equals(found.streams.stdout),
            `seed ${seed}`,
          ).to.equal(true);
          expect(
            streams.stderr.subarray(0, found.streams.stderr.length).equals(found.streams.stderr),
            `seed ${seed}`,
          ).to.equal(true);
          const lost = streams.stdout.length + streams.stderr.length - kept;
          const received = found.events
            .filter(({ type }) => type === 'truncated' || type === 'discarded')
            .map(({ type, bytes }) => (type === 'discarded' ? bytes : type));
          expect(received, `seed ${seed}`).to.deep.equal(lost === 0 ? [] : ['truncated', lost]);
        }
        expect(log.position.byte).to.be.at.most(limits.outputBytesMax);
      });
    }
  });

  it('a log keeps its stored output if its limit was lowered after the kill', () =>
    withTempFolder(async (folder) => {
      for (const format of ['lines', 'raw'] as const) {
        const log = newLog(folder, format);
        log.write('stdout', Buffer.from('one\ntwo\nthree\n'));
        await log.close();
        const again = (await resume(logFolder(log), format, { outputBytesMax: 5 })).log;
        again.write('stdout', Buffer.from('four\nfive\n'));
        await again.close();
        expect(readFileSync(join(logFolder(log), 'lines'), 'utf8')).to.equal('one\ntwo\nthree\n');
        expect(readFileSync(join(logFolder(log), 'events'), 'utf8')).to.match(
          /"type":"truncated","bytesMax":5}\n.*"type":"discarded","bytes":10}\n$/,
        );
      }
    }));

  it("a terminal's log ends with a whole character after a kill and counts the same lines", async function () {
    this.timeout(60_000);
    for (const seed of seeds(16)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const limits = someLimits(random);
        const first = join(folder, 'first');
        const whole = RunLog.create(first, {
          format: 'raw',
          limits: { ...defaultLimits, ...limits },
          onFailure: throwError,
        });
        const recorder = new WriteRecorder(first);
        await print(whole, recorder, {
          random,
          streams: { stdout: randomOutput(random, 2000), stderr: Buffer.alloc(0) },
          from: { stdout: 0, stderr: 0 },
        });
        await whole.close();
        const killed = join(folder, 'killed');
        recorder.copyAtCrash(random, killed);
        const begun = existsSync(join(killed, 'lines'));
        const { log } = await resume(killed, 'raw', { ...limits, lineBytesMax: 1 << 20 });
        for (const chunk of randomChunks(randomOutput(random, 300), random)) log.write('stdout', chunk);
        await log.close();
        const sink = new RecordingSink();
        const ended = deferred<void>();
        new Watcher(log, sink, { format: 'raw', onEnd: ended.resolve, onError: ended.reject }).wake();
        await ended.promise;
        const text = Buffer.from(sink.received.filter((one) => !one.startsWith('#')).join(''));
        expect(text.length, `seed ${seed}`).to.equal(log.position.byte);
        expect(isUtf8(text)).to.equal(true);
        // A log with a file of lines at the time of the kill keeps the old limit. Any other log uses the new limit.
        const splitter = new LineSplitter(begun ? limits.lineBytesMax : 1 << 20);
        const lines = [...splitter.push(text), ...splitter.flush()].reduce((sum, region) => sum + region.lines, 0);
        expect(log.position.line, `seed ${seed}`).to.equal(lines);
        const page = await readLines(killed, { after: 0, limit: Infinity, bytesMax: Infinity }, { ended: true });
        expect(page.lines.length, `seed ${seed}`).to.equal(lines);
      });
    }
  });

  it('a log without files is empty after a kill and can be closed', () =>
    withTempFolder(async (folder) => {
      for (const make of [
        () => {},
        () => mkdirSync(join(folder, 'log')),
        () => writeFileSync(join(folder, 'log', 'index'), 'half'),
        () => writeFileSync(join(folder, 'log', 'events'), ''),
      ]) {
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

  it('a log of an older version with another index format can be read and continued', () =>
    withTempFolder(async (folder) => {
      const path = join(folder, 'log');
      mkdirSync(path);
      writeFileSync(join(path, 'lines'), 'one\ntwo\nthree');
      writeFileSync(join(path, 'events'), '{"seq":1,"at":1,"type":"stream","stream":"stderr"}\n');
      writeFileSync(join(path, 'index'), Buffer.alloc(96, 7));
      expect((await readLines(path, { after: 1, limit: 5, bytesMax: 100 }, { ended: true })).lines).to.deep.equal([
        'two',
        'three',
      ]);
      const { log, sourceBytes } = await resume(path, 'lines', {});
      expect(sourceBytes).to.deep.equal({ stdout: 4, stderr: 4 });
      log.write('stderr', Buffer.from('3\n'));
      await log.close();
      expect((await readLines(path, { after: 0, limit: 5, bytesMax: 100 }, { ended: true })).lines).to.deep.equal([
        'one',
        'two',
        '3',
      ]);
    }));

  it('watchers from before the kill continue at their cursor', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.write('stdout', Buffer.from('one\ntwo\nthree\n'));
      await log.close();
      const path = join(folder, readdirSync(folder)[0]!);
      appendFileSync(join(path, 'lines'), 'torn');
      const resumed = (await resume(path, 'lines', {})).log;
      const recorder = new RecordingSink();
      const ended = deferred<void>();
      // Before the kill, the client had received a line that was not yet on disk.
      const place = resumed.locate({ after: 4 }, 'lines');
      resumed.write('stdout', Buffer.from('four\nfive\n'));
      new Watcher(resumed, recorder, {
        format: 'lines',
        from: await place,
        onEnd: ended.resolve,
        onError: ended.reject,
      }).wake();
      await resumed.close();
      await ended.promise;
      expect(recorder.received).to.deep.equal(['five']);
    }));
});
