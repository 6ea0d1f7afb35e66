// Compares the events that clients of the pin API receive live with those rebuilt from the logs of runs, for random
// output.

import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import { EventLog } from '../../../server/compat/pin/events/event-log.ts';
import { PinStream, type Sink } from '../../../server/compat/pin/events/stream.ts';
import { JobTracker } from '../../../server/compat/pin/runs/job-tracker.ts';
import { forwardLog } from '../../../server/compat/pin/runs/log-forwarder.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import { type RandomInteger, randomOutput, seededRandom, withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const runIds = ['r0', 'r1', 'r2'];
const throwError = (error: unknown): never => {
  throw error;
};
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A response that accepts a buffer after some milliseconds. */
class DelayedSink implements Sink {
  text = '';
  ended = false;
  writableLength = 0;
  readonly #delayMs: number;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  write(bytes: string | Uint8Array, onFlushed?: () => void): void {
    this.text += Buffer.from(bytes as string).toString('utf8');
    this.writableLength += Buffer.byteLength(bytes);
    setTimeout(() => {
      this.writableLength = 0;
      onFlushed?.();
    }, this.#delayMs);
  }

  end(): void {
    this.ended = true;
  }

  /** The received frames, without the connection event, which is not in the event log. */
  get frames(): readonly string[] {
    return this.text.split('\n\n').filter((frame) => frame !== '' && !frame.includes('event: connection'));
  }
}

interface Following {
  readonly after: number;
  readonly delayMs: number;
  readonly run?: string | undefined;
}

function follow(eventLog: EventLog, { after, delayMs, run }: Following): DelayedSink {
  const sink = new DelayedSink(delayMs);
  const filter = { unnamed: false, ...(run !== undefined && { run }) };
  new PinStream(eventLog, { sink, client: 'c', start: { after }, filter, bytesMax: 16 << 10, onError: throwError });
  return sink;
}

/** Writes random output of several jobs and runs, with other events in between. */
async function writeRandomly(random: RandomInteger, logs: ReadonlyMap<string, RunLog>, log: EventLog): Promise<void> {
  const forwarded = [...logs].map(([run, runLog]) =>
    forwardLog(runLog, { run, jobs: new JobTracker(), eventLog: log }),
  );
  for (let at = 0; at < 200; at++) {
    const runLog = logs.get(runIds[random(3)]!)!;
    const output = random(3) > 0 ? runLog.part(`job ${random(2)}`) : runLog;
    const long = Buffer.alloc(random(200_000), random(2) === 0 ? 'A' : '\u0001');
    const isLong = random(40) === 0;
    output.write(random(4) > 0 ? 'stdout' : 'stderr', isLong ? long : randomOutput(random, 3));
    if (random(10) === 0) log.append({ type: 'log', level: 'info', message: `status ${at}` });
    if (random(3) === 0) await pause(random(3));
  }
  for (const runLog of logs.values()) await runLog.close();
  await Promise.all(forwarded);
}

describe('the events that are rebuilt from the logs of runs', () => {
  for (const [seed, tailBytesMax] of [
    [1, 1 << 20],
    [2, 1 << 20],
    [3, 2_000],
    [4, 0],
  ] as const)
    it(`rebuilt events equal live events for random output (seed ${seed}, ${tailBytesMax} bytes in memory)`, () =>
      withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const limits = { ...defaultLimits, tailBytesMax, segmentBytesMax: 50_000 };
        const logs = new Map(
          runIds.map((run) => [
            run,
            RunLog.create(join(folder, run), { format: 'lines', limits, onFailure: throwError }),
          ]),
        );
        const open = (): Promise<EventLog> =>
          EventLog.open({
            folder: join(folder, 'pin'),
            bytesMax: 1 << 30,
            limits,
            runLog: (run) => logs.get(run),
            log: nullLogger,
          });
        const first = await open();
        const live = follow(first, { after: 0, delayMs: 0 });
        const slow = follow(first, { after: 0, delayMs: 3 });
        await writeRandomly(random, logs, first);
        await first.close();
        await waitUntil('both streams end', () => live.ended && slow.ended, 20_000);
        const { frames } = live;
        expect(frames).to.have.length(first.count);
        expect(slow.frames).to.deep.equal(frames);
        const second = await open();
        await second.close();
        for (let times = 0; times < 20; times++) {
          const after = random(first.count);
          const run = random(2) === 0 ? undefined : runIds[random(3)];
          const resumed = follow(second, { after, delayMs: random(2), run });
          await waitUntil('the stream ends', () => resumed.ended, 20_000);
          expect(resumed.frames).to.deep.equal(
            frames.slice(after).filter((frame) => run === undefined || frame.includes(`"run_id":"${run}"`)),
          );
        }
      }));
});
