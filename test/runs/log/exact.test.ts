// Tests logs that store both streams as the work printed them: live, from any position, in segments, and after a crash.

import { join } from 'node:path';
import { expect } from 'chai';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import { type LogLimits, RunLog } from '../../../server/runs/log/log.ts';
import { StoredLog } from '../../../server/runs/log/stored-log.ts';
import type { WatchableLog } from '../../../server/runs/log/watchable-log.ts';
import { OutputRemoved, readOutputBytes } from '../../../server/runs/views/output-bytes.ts';
import { type LogSink, Watcher } from '../../../server/runs/views/watcher.ts';
import { WriteRecorder } from '../../helpers/runs/log-crash.ts';
import {
  pick,
  type RandomInteger,
  randomChunks,
  seededRandom,
  throwError,
  withTempFolder,
} from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';

type Streams = Readonly<Record<OutputStream, Buffer>>;
const names = ['stdout', 'stderr'] as const;

/** Returns random bytes of every value, with many newlines and parts of UTF-8 characters. */
function noise(random: RandomInteger, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => pick(random, [random(256), 10, 13, 0xe2, 0x82, 0xac, 0])));
}

const someStreams = (random: RandomInteger): Streams => ({
  stdout: noise(random, random(1_000)),
  stderr: noise(random, random(400)),
});

const someLimits = (random: RandomInteger): Partial<LogLimits> => ({
  lineBytesMax: pick(random, [64, 1 << 20]),
  segmentBytesMax: pick(random, [500, 1 << 26]),
  tailBytesMax: pick(random, [0, 1 << 20]),
});

/** A sink that collects the bytes of each stream separately. */
class Separator implements LogSink {
  readonly full = false;
  readonly received = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  /** The stream of each byte, in the order of arrival. */
  readonly order: OutputStream[] = [];
  #stream: OutputStream = 'stdout';

  output({ pieces }: OutputEntry): void {
    for (const piece of pieces) {
      this.received[this.#stream].push(Buffer.from(Uint8Array.from(piece)));
      for (let i = 0; i < piece.length; i++) this.order.push(this.#stream);
    }
  }

  event(json: Uint8Array): void {
    const { type, stream } = JSON.parse(String(Buffer.from(json))) as { type: string; stream: OutputStream };
    if (type === 'stream') this.#stream = stream;
  }

  get streams(): Streams {
    return { stdout: Buffer.concat(this.received.stdout), stderr: Buffer.concat(this.received.stderr) };
  }
}

function watch(log: WatchableLog, separator: Separator): Promise<void> {
  return new Promise((resolve, reject) =>
    new Watcher(log, separator, { format: 'raw', onEnd: resolve, onError: reject }).wake(),
  );
}

async function watchFrom(log: WatchableLog, after: number): Promise<Streams> {
  const separator = new Separator();
  const { position, sourceEvent } = await log.locateWithSource({ after }, 'raw');
  if (sourceEvent !== undefined) separator.event(sourceEvent);
  await new Promise<void>((resolve, reject) =>
    new Watcher(log, separator, { format: 'raw', from: position, onEnd: resolve, onError: reject }).wake(),
  );
  return separator.streams;
}

/** Writes the rest of both streams after `from` in random chunks, alternating at random. */
async function print(
  log: RunLog,
  recorder: WriteRecorder,
  { random, streams, from }: { random: RandomInteger; streams: Streams; from: Readonly<Record<OutputStream, number>> },
): Promise<void> {
  const rest = {
    stdout: randomChunks(streams.stdout.subarray(from.stdout), random),
    stderr: randomChunks(streams.stderr.subarray(from.stderr), random),
  };
  const left = (): OutputStream[] => names.filter((stream) => rest[stream].length > 0);
  while (left().length > 0)
    await recorder.step(log, () => {
      for (let i = random(100); i >= 0 && left().length > 0; i--) {
        const stream = pick(random, left());
        log.write(stream, rest[stream].shift()!);
        if (random(10) === 0) log.emit('fact', { text: 'e'.repeat(random(100)) });
      }
    });
  for (const stream of names) log.endStream(stream);
}

function stored(folder: string, log: RunLog): StoredLog {
  return new StoredLog(folder, {
    format: 'raw',
    exact: true,
    lineBytesMax: defaultLimits.lineBytesMax,
    record: { lines: log.position.line, bytes: log.position.byte },
  });
}

async function readStream(log: WatchableLog, stream: OutputStream, after = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readOutputBytes(log, { stream, after })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('an exact log', function () {
  this.timeout(60_000);

  it('an exact log returns both streams unchanged, live and from every position', async () => {
    for (const seed of seeds(8)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const streams = someStreams(random);
        const own = join(folder, 'log');
        const limits = { ...defaultLimits, ...someLimits(random) };
        const log = RunLog.create(own, { format: 'raw', exact: true, limits, onFailure: throwError });
        const live = new Separator();
        const watched = watch(log, live);
        await print(log, new WriteRecorder(own), { random, streams, from: { stdout: 0, stderr: 0 } });
        await log.close();
        await watched;
        expect(live.streams, `seed ${seed}`).to.deep.equal(streams);
        expect(log.position.byte).to.equal(streams.stdout.length + streams.stderr.length);
        for (const view of [log, stored(own, log)]) {
          for (const stream of names) expect(await readStream(view, stream)).to.deep.equal(streams[stream]);
          for (let i = 0; i < 10; i++) {
            const after = random(log.position.byte + 1);
            const skipped = { stdout: 0, stderr: 0 };
            for (const stream of live.order.slice(0, after)) skipped[stream] += 1;
            expect(await watchFrom(view, after), `seed ${seed}, after ${after}`).to.deep.equal({
              stdout: streams.stdout.subarray(skipped.stdout),
              stderr: streams.stderr.subarray(skipped.stderr),
            });
          }
        }
      });
    }
  });

  it('an exact log continues after a kill without losing or repeating a byte of either stream', async () => {
    for (const seed of seeds(8)) {
      await withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const limits = { ...defaultLimits, ...someLimits(random) };
        const streams = someStreams(random);
        const options = { format: 'raw', exact: true, limits, onFailure: throwError } as const;
        const first = join(folder, 'first');
        const whole = RunLog.create(first, options);
        let recorder = new WriteRecorder(first);
        await print(whole, recorder, { random, streams, from: { stdout: 0, stderr: 0 } });
        await whole.close();
        for (let crash = 0; crash < 3; crash++) {
          const killed = join(folder, `killed-${crash}`);
          recorder.copyAtCrash(random, killed);
          const { log, sourceBytes } = await RunLog.resume(killed, options);
          recorder = new WriteRecorder(killed);
          await print(log, recorder, { random, streams, from: sourceBytes });
          await log.close();
          for (const stream of names)
            expect(await readStream(log, stream), `seed ${seed}, crash ${crash}`).to.deep.equal(streams[stream]);
        }
      });
    }
  });

  it('an exact log names the bytes that retention has removed', async () => {
    await withTempFolder(async (folder) => {
      const limits = { ...defaultLimits, segmentBytesMax: 100, tailBytesMax: 0 };
      const log = RunLog.create(join(folder, 'log'), { format: 'raw', exact: true, limits, onFailure: throwError });
      for (let i = 0; i < 100; i++) log.write('stdout', Buffer.from(`${i}\n`.padStart(20, '\xff'), 'latin1'));
      await log.close();
      const segments = await log.segments();
      await log.dropSegments(segments[2]!.number);
      const error = await readStream(log, 'stdout').catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(OutputRemoved);
      const { to } = error as OutputRemoved;
      expect(to).to.be.above(0);
      expect(await readStream(log, 'stdout', to)).to.have.length(2_000 - to);
    });
  });

  it('an exact log cuts output at its limit, between any two bytes', async () => {
    await withTempFolder(async (folder) => {
      const limits = { ...defaultLimits, outputBytesMax: 5 };
      const log = RunLog.create(join(folder, 'log'), { format: 'raw', exact: true, limits, onFailure: throwError });
      log.write('stdout', Buffer.from('€€€'));
      log.write('stderr', Buffer.from('more'));
      await log.close();
      expect(await readStream(log, 'stdout')).to.deep.equal(Buffer.from('€€€').subarray(0, 5));
      expect(await readStream(log, 'stderr')).to.have.length(0);
    });
  });
});
