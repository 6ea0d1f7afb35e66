// Tests that the output of a run of the pin API is stored once: in the log of the run, to which the event log refers.

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { PinEvent } from '../../../server/compat/pin/events/event.ts';
import { EventLog } from '../../../server/compat/pin/events/event-log.ts';
import {
  isEvent,
  type OutputRow,
  OutputRows,
  readRow,
  seriesMax,
} from '../../../server/compat/pin/events/output-events.ts';
import { PinStream } from '../../../server/compat/pin/events/stream.ts';
import { JobTracker } from '../../../server/compat/pin/runs/job-tracker.ts';
import { forwardLog } from '../../../server/compat/pin/runs/log-forwarder.ts';
import { eachLine } from '../../../server/runs/log/entry.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import type { WatchableLog } from '../../../server/runs/log/watchable-log.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import {
  closePin,
  openPin,
  type PinFixture,
  type PinReader,
  type ScriptContext,
} from '../../helpers/compat/scripted-pin-server.ts';
import { type Message, messagesIn } from '../../helpers/http/sse-reader.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  return bytes;
}

/** Returns the messages that a client receives after an event, up to the end of the run. */
async function received(fixture: PinFixture, after: string): Promise<readonly Message[]> {
  const reader = await fixture.listen('/named/events', { 'Last-Event-ID': after });
  await reader.event('pipeline_complete');
  return endOfRun(reader);
}

/** Returns the messages up to the end of the run, without the first one, which has the id of the client. */
function endOfRun(reader: PinReader): readonly Message[] {
  reader.cut();
  const last = reader.messages.findIndex(({ event }) => event === 'pipeline_complete');
  return reader.messages.slice(1, last + 1);
}

/** Prints lines of two jobs on both streams, over some milliseconds, and lines that are too long for one event. */
async function mixed(script: ScriptContext): Promise<object> {
  script.plan('build', 'test');
  for (let at = 0; at < 2_500; at++) {
    const text = at % 700 === 3 ? `long ${'€"\u0001'.repeat(20_000)}` : `line ${at}`;
    script.print(at % 100 < 90 ? 'build' : 'test', `${text}\n`, at % 1_300 === 7 ? 'stderr' : 'stdout');
    if (at % 50 === 0) await pause();
    if (at === 1_600) script.job('test', 'in between\r\n\n');
  }
  return {};
}

describe('the output of a run of the pin API', () => {
  const size = 2 << 20;
  const line = `${'x'.repeat(79)}\n`;
  const chunks = {
    'in large chunks': { text: line.repeat(800), every: 1 },
    'line by line': { text: line, every: 100 },
  };
  for (const [how, { text, every }] of Object.entries(chunks)) {
    it(`2 MiB of output, printed ${how}, needs less than 1.3 times its size in the data folder`, () =>
      withTempFolder(async (folder) => {
        const fixture = await openPin(folder, {
          scripts: {
            async prints(script) {
              script.plan('build');
              for (let at = 0; at * text.length < size; at++) {
                script.print('build', text);
                if (at % every === 0) await pause();
              }
              return {};
            },
          },
        });
        const reader = await fixture.listen('/named/events');
        const before = await folderBytes(folder);
        await fixture.ended(await fixture.trigger('prints'));
        await reader.event('pipeline_complete');
        expect(reader.events.filter(({ stream }) => stream !== undefined).length).to.be.at.least(size / line.length);
        reader.cut();
        await closePin(fixture);
        const bytes = (await folderBytes(folder)) - before;
        expect(bytes / size).to.be.within(1, 1.3);
      }));
  }

  it('a client that resumes anywhere after a restart receives the same ids and bytes as a live client', () =>
    withTempFolder(async (folder) => {
      const first = await openPin(folder, { scripts: { mixed } });
      const live = await first.listen('/named/events', { 'Last-Event-ID': '0' });
      const id = await first.trigger('mixed');
      await first.ended(id);
      await live.event('pipeline_complete');
      const expected = endOfRun(live);
      const text = (await first.request(`/runs/${id}/logs`)).text;
      await closePin(first);
      const second = await openPin(folder);
      expect(await received(second, '0')).to.deep.equal(expected);
      for (const at of [1, 2, 5, 17, 400, 999, 1_000, 1_001, 1_640, 2_200, expected.length - 2])
        expect(await received(second, expected[at]!.id), String(at)).to.deep.equal(expected.slice(at + 1));
      const own = await second.listen(`/named/runs/${id}/events`);
      await own.end();
      expect(own.messages.slice(1)).to.deep.equal(expected.slice(1));
      expect((await second.request(`/runs/${id}/logs`)).text).to.equal(text);
      await closePin(second);
    }));

  it('a client receives a gap for output that retention removed, and all other events of the run', () =>
    withTempFolder(async (folder) => {
      const first = await openPin(folder);
      const id = await first.trigger('usual');
      await first.ended(id);
      const before = await received(first, '0');
      await closePin(first);
      await rm(join(folder, 'runs', id), { recursive: true });
      const second = await openPin(folder);
      const after = await received(second, '0');
      const isOutput = ({ data }: Message): boolean => (JSON.parse(data) as PinEvent)['stream'] !== undefined;
      expect(after.filter(({ event }) => event !== 'gap')).to.deep.equal(before.filter((event) => !isOutput(event)));
      const missing = Number(before.find(isOutput)!.id);
      const gap = after.find(({ event }) => event === 'gap')!;
      expect(gap.id).to.equal(String(missing));
      expect(JSON.parse(gap.data)).to.include({ level: 'warning', from: missing, to: missing, next: missing + 1 });
      expect((await second.request(`/runs/${id}/logs`)).text).to.match(
        / \[warning\] some output is no longer stored\n/,
      );
      await closePin(second);
    }));

  it('clients receive no lines of services, live or after a restart', () =>
    withTempFolder(async (folder) => {
      const scripts = {
        async serves({ plan, print, printService }: ScriptContext) {
          plan('build');
          print('build', 'one\n');
          printService('build', 'db', 'ready\nquery\n');
          print('build', 'two\nthree\n');
          return {};
        },
      };
      const isOutput = ({ data }: Message): boolean => (JSON.parse(data) as PinEvent)['stream'] !== undefined;
      const texts = (messages: readonly Message[]): readonly unknown[] =>
        messages.filter(isOutput).map(({ data }) => (JSON.parse(data) as PinEvent)['message']);
      const first = await openPin(folder, { scripts });
      const live = await first.listen('/named/events', { 'Last-Event-ID': '0' });
      const id = await first.trigger('serves');
      await first.ended(id);
      await live.event('pipeline_complete');
      expect(texts(endOfRun(live))).to.deep.equal(['one', 'two', 'three']);
      await closePin(first);
      const second = await openPin(folder);
      expect(texts(await received(second, '0'))).to.deep.equal(['one', 'two', 'three']);
      expect((await second.request(`/runs/${id}/logs`)).text).not.to.contain('ready');
      await closePin(second);
    }));

  it('a client receives a gap for the output of a run that no longer exists', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      const id = await fixture.trigger('usual');
      await fixture.ended(id);
      await waitUntil('the run is removed', () => fixture.testRuns.store.deleteRuns([id]).length > 0);
      const types = (await received(fixture, '0')).map(({ event }) => event);
      expect(types.filter((type) => type === 'gap')).to.have.length(1);
      expect(types.indexOf('gap')).to.be.within(types.indexOf('job_container_start'), types.indexOf('job_completed'));
      await closePin(fixture);
    }));
});

interface Fixture {
  readonly eventLog: EventLog;
  readonly runLog: RunLog;
  /** Returns how often the log of the run was opened. */
  opened(): number;
}

async function withLogs(work: (fixture: Fixture) => Promise<void>, bytesMax = 64 << 20): Promise<void> {
  await withTempFolder(async (folder) => {
    const onFailure = (error: Error): never => {
      throw error;
    };
    const runLog = RunLog.create(join(folder, 'run'), { format: 'lines', limits: defaultLimits, onFailure });
    let opened = 0;
    const open = (): WatchableLog => {
      opened++;
      return runLog;
    };
    const eventLog = await openEventLog(join(folder, 'pin'), open, bytesMax);
    await work({ eventLog, runLog, opened: () => opened });
    await runLog.close();
    await eventLog.close();
  });
}

function openEventLog(folder: string, runLog: () => WatchableLog, bytesMax = 64 << 20): Promise<EventLog> {
  return EventLog.open({ folder, bytesMax, limits: defaultLimits, runLog, log: nullLogger });
}

/** A response that accepts at most one buffer at a time. */
class SlowSink {
  text = '';
  ended = false;
  most = 0;
  writableLength = 0;

  write(bytes: string | Uint8Array, taken?: () => void): void {
    this.text += Buffer.from(bytes as string).toString('utf8');
    this.writableLength += Buffer.byteLength(bytes);
    this.most = Math.max(this.most, this.writableLength);
    setImmediate(() => {
      this.writableLength = 0;
      taken?.();
    });
  }

  end(): void {
    this.ended = true;
  }

  get messages(): readonly string[] {
    return messagesIn(this.text)
      .filter(({ event }) => event === 'log')
      .map(({ data }) => (JSON.parse(data) as PinEvent).message);
  }
}

function follow(eventLog: EventLog, after: number | 'now'): SlowSink {
  const sink = new SlowSink();
  new PinStream(eventLog, {
    sink,
    client: 'c',
    start: after === 'now' ? after : { after },
    filter: { unnamed: false },
    bytesMax: 64 << 10,
    onError: (error) => {
      throw error;
    },
  });
  return sink;
}

describe('the references of the event log', () => {
  const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `line ${at}`);
  const forward = (eventLog: EventLog, runLog: RunLog): Promise<void> =>
    forwardLog(runLog, { run: 'r', jobs: new JobTracker(), eventLog });

  it('live clients receive output from memory, without reading the log of the run', () =>
    withLogs(async ({ eventLog, runLog, opened }) => {
      const sinks = [follow(eventLog, 'now'), follow(eventLog, 'now'), follow(eventLog, 0)];
      await pause();
      const forwarded = forward(eventLog, runLog);
      for (const line of numbers(200)) {
        runLog.write('stdout', Buffer.from(`${line}\n`));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await runLog.close();
      await forwarded;
      for (const sink of sinks) {
        await waitUntil('all lines arrive', () => sink.messages.length === 200);
        expect(sink.messages).to.deep.equal(numbers(200));
      }
      expect(opened()).to.equal(0);
    }));

  it('a client that starts within a series of rows receives the rest of the series', () =>
    withLogs(async ({ eventLog, runLog }) => {
      const forwarded = forward(eventLog, runLog);
      runLog.write('stdout', Buffer.from(`${numbers(2_500).join('\n')}\n`));
      await runLog.close();
      await forwarded;
      for (const after of [1, 999, 1_000, 1_001, 2_499]) {
        const sink = follow(eventLog, after);
        await waitUntil('the rest arrives', () => sink.messages.length === 2_500 - after);
        expect(sink.messages).to.deep.equal(numbers(2_500).slice(after));
      }
    }));

  it('a slow client needs memory for one batch while it reads output from the log of the run', () =>
    withLogs(async ({ eventLog, runLog }) => {
      const forwarded = forward(eventLog, runLog);
      for (let at = 0; at < 40; at++) runLog.write('stdout', Buffer.from('y\n'.repeat(2_000)));
      await runLog.close();
      await forwarded;
      const sink = follow(eventLog, 0);
      await waitUntil('all lines arrive', () => sink.text.includes('id: 80000\n'), 20_000);
      expect(sink.messages).to.have.length(80_000);
      expect(sink.most).to.be.below(512 << 10);
    }));

  it("a reference beyond the end of a run's log becomes a gap after a crash", () =>
    withTempFolder(async (folder) => {
      const limits = defaultLimits;
      const runLog = RunLog.create(join(folder, 'run'), { format: 'lines', limits, onFailure: () => {} });
      runLog.write('stdout', Buffer.from('a\nb\n'));
      await runLog.close();
      const eventLog = await openEventLog(join(folder, 'pin'), () => runLog);
      const context = { run: 'r', stream: 'stdout', timestamp: '2026-01-01T00:00:00.000Z' } as const;
      eventLog.appendOutput({ lines: ['a', 'b', 'c', 'd'], line: 0, ...context });
      eventLog.append({ type: 'log', level: 'info', message: 'after' });
      await eventLog.close();
      const sink = follow(eventLog, 0);
      await waitUntil('the stream ends', () => sink.ended);
      expect(sink.messages).to.deep.equal(['a', 'b', 'after']);
      const gap = messagesIn(sink.text).find(({ event }) => event === 'gap')!;
      expect(JSON.parse(gap.data)).to.include({ from: 3, to: 4, next: 5 });
    }));

  it('a client receives one gap if retention removed the start of a series of rows', () =>
    withLogs(async ({ eventLog, runLog }) => {
      const count = 150_000;
      const context = { run: 'r', stream: 'stdout', timestamp: '2026-01-01T00:00:00.000Z' } as const;
      const lines = Array.from({ length: 700 }, () => 'x');
      runLog.write('stdout', Buffer.from('x\n'.repeat(count)));
      await runLog.close();
      for (let line = 0; line < count; line += 700) {
        eventLog.appendOutput({ lines: lines.slice(0, count - line), line, ...context });
        if (line % 7_000 === 0) await pause();
      }
      await waitUntil('old events are removed', async () => {
        eventLog.append({ type: 'log', level: 'info', message: 'y'.repeat(3_000) });
        return (await eventLog.log.segments())[0]!.number > 0;
      });
      await eventLog.close();
      const sink = follow(eventLog, 0);
      await waitUntil('the stream ends', () => sink.ended, 20_000);
      const messages = messagesIn(sink.text).slice(1);
      const gaps = messages.filter(({ event }) => event === 'gap');
      expect(gaps).to.have.length(1);
      const { from, next } = JSON.parse(gaps[0]!.data) as { readonly from: number; readonly next: number };
      expect(from).to.equal(1);
      expect(messages.slice(1).map(({ id }) => Number(id))).to.deep.equal(
        Array.from({ length: eventLog.count - next + 1 }, (_, at) => next + at),
      );
    }, 64 << 10));

  it('a client receives a gap for removed segments of the log of a run, and then the lines that exist', () =>
    withTempFolder(async (folder) => {
      const limits = { ...defaultLimits, segmentBytesMax: 1_000 };
      const runLog = RunLog.create(join(folder, 'run'), { format: 'lines', limits, onFailure: () => {} });
      const eventLog = await openEventLog(join(folder, 'pin'), () => runLog);
      const forwarded = forward(eventLog, runLog);
      for (const line of numbers(1_000)) runLog.write('stdout', Buffer.from(`${line}\n`));
      await runLog.close();
      await forwarded;
      await runLog.dropSegments(4);
      await eventLog.close();
      const sink = follow(eventLog, 0);
      await waitUntil('the stream ends', () => sink.ended);
      const gap = messagesIn(sink.text).find(({ event }) => event === 'gap')!;
      const { from, to } = JSON.parse(gap.data) as { readonly from: number; readonly to: number };
      expect(from).to.equal(1);
      expect(to).to.be.within(300, 700);
      expect(sink.messages).to.deep.equal(numbers(1_000).slice(to));
    }));

  it('rows are short, and each row refers to one line, or one piece of a line, and its time', () => {
    const rows = new OutputRows();
    const batch = (lines: readonly string[], line: number, ms: number, stream: 'stdout' | 'stderr' = 'stdout') =>
      rows.encode({ lines, line, run: 'r', job: 'j', stream, timestamp: new Date(1e12 + ms).toISOString() }).text;
    const long = '\u0001'.repeat(25_000);
    const text = [
      batch(['a', 'b', long], 0, 0),
      batch(['c'], 3, 7),
      batch(['d'], 4, 0),
      batch(['e'], 5, 0, 'stderr'),
      batch(['f'], 9, 0, 'stderr'),
    ].join('');
    expect(text.replaceAll(/\{.*\}/g, '{}')).to.equal('{}\n\n\n>\n>\n+7\n{}\n{}\n{}\n');
    let row: OutputRow | undefined;
    const read = [...eachLine(Buffer.from(text))].map((json) => {
      expect(isEvent(json)).to.equal(false);
      row = readRow(json, row);
      return [row!.line, row!.piece, row!.time - 1e12, row!.source.stream];
    });
    expect(read).to.deep.equal([
      [0, 0, 0, 'stdout'],
      [1, 0, 0, 'stdout'],
      [2, 0, 0, 'stdout'],
      [2, 1, 0, 'stdout'],
      [2, 2, 0, 'stdout'],
      [3, 0, 7, 'stdout'],
      [4, 0, 0, 'stdout'],
      [5, 0, 0, 'stderr'],
      [9, 0, 0, 'stderr'],
    ]);
  });

  it('every thousandth row names its source, and so does the first row after an event of another kind', () => {
    const rows = new OutputRows();
    const context = { run: 'r', stream: 'stdout', timestamp: '2026-01-01T00:00:00.000Z' } as const;
    const { text, count } = rows.encode({ lines: numbers(2_500), line: 0, ...context });
    expect(count).to.equal(2_500);
    expect(text.split('\n').flatMap((row, at) => (row === '' ? [] : [at]))).to.deep.equal([
      0,
      seriesMax,
      2 * seriesMax,
    ]);
    rows.reset();
    expect(rows.encode({ lines: ['a'], line: 2_500, ...context }).text).to.match(/^\{"output":"r",.*\}\n$/);
  });
});
