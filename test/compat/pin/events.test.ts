// Tests the event stream of the pin API: its frames, its start and resume positions, and its memory use.

import { connect } from 'node:net';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import { EventLog } from '../../../server/compat/pin/events/event-log.ts';
import { PinStream, type Sink } from '../../../server/compat/pin/events/stream.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import {
  closePin,
  openPin,
  type PinReader,
  type ScriptContext,
  withPin,
} from '../../helpers/compat/scripted-pin-server.ts';
import { messagesIn } from '../../helpers/http/sse-reader.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const types = ({ events }: PinReader): readonly string[] => events.map(({ type }) => type);
/** Returns the frames of a stream. */
const splitFrames = (text: string): readonly string[] => text.split('\n\n').slice(0, -1);

/** Prints up to a hundred lines at a time, as programs do when they print much. */
const printLines = (count: number, text: (at: number) => string) => async (script: ScriptContext) => {
  script.plan('build');
  for (let from = 0; from < count; from += 100) {
    const lines = Array.from({ length: Math.min(100, count - from) }, (_, at) => `${text(from + at)}\n`);
    script.print('build', lines.join(''));
  }
  return {};
};

/** Prints lines to stdout and stderr in turn, so that each row of the event log names its source. */
const printAlternately = (count: number) => async (script: ScriptContext) => {
  script.plan('build');
  for (let at = 0; at < count; at++) script.print('build', `line ${at}\n`, at % 2 === 0 ? 'stdout' : 'stderr');
  return {};
};

describe('the event stream of the pin API', () => {
  it('a frame of the event stream is an id, a name and one line of JSON', () =>
    withPin(async ({ listen, trigger }) => {
      const reader = await listen('/named/events');
      await trigger('usual');
      await reader.event('pipeline_complete');
      expect(reader.answer.headers).to.include({
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      });
      for (const frame of splitFrames(reader.text)) {
        const [, name, json] = /^id: \d+\nevent: (\w+)\ndata: (\{.*\})$/.exec(frame) ?? [];
        const data = JSON.parse(json!) as Record<string, unknown>;
        expect(data['type']).to.equal(name);
        expect(data['level']).to.be.oneOf(['info', 'success', 'warning', 'error']);
        expect(data['message']).to.be.a('string');
        expect(data['timestamp']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      }
      reader.cut();
    }));

  it('an event of a run has the id of its run, an event of a job also the name of its job', () =>
    withPin(async ({ listen, trigger }) => {
      const reader = await listen();
      const id = await trigger('usual');
      await reader.event('pipeline_complete');
      for (const event of reader.events) {
        expect('run_id' in event ? event.run_id : undefined, event.type).to.equal(
          /^(connection|daemon_)/.test(event.type) ? undefined : id,
        );
        expect('job' in event ? event.job : undefined, event.type).to.equal(
          /^(job_|log)/.test(event.type) ? 'build' : undefined,
        );
      }
      reader.cut();
    }));

  it('a stream starts with the connection event, followed by daemon_start', () =>
    withPin(async ({ listen }) => {
      const reader = await listen();
      const { clientId, message } = await reader.event('connection');
      expect([typeof clientId, message]).to.deep.equal(['string', 'Connected to PIN SSE server']);
      const start = await reader.event('daemon_start');
      expect(start).to.include({
        message: 'PIN daemon started successfully',
        sse_endpoint: '/events',
        health_endpoint: '/health',
        runs_endpoint: '/runs',
        level: 'info',
      });
      expect(types(reader)).to.deep.equal(['connection', 'daemon_start']);
      reader.cut();
    }));

  it('a client without a Last-Event-ID receives daemon_start and then only new events', () =>
    withPin(async ({ listen, trigger, ended }) => {
      await ended(await trigger('usual'));
      const reader = await listen();
      await reader.event('daemon_start');
      const id = await trigger('usual');
      await reader.event('pipeline_complete');
      expect(new Set(reader.events.map(({ run_id }) => run_id))).to.deep.equal(new Set([undefined, id]));
      expect(types(reader).slice(0, 4)).to.deep.equal([
        'connection',
        'daemon_start',
        'pipeline_trigger',
        'pipeline_started',
      ]);
      reader.cut();
    }));

  for (const path of ['/events', '/events?events=unnamed', '/unnamed/events/', '/named/events?events=unnamed'])
    it(`L13: the stream at ${path} has no event names and sends each event once`, () =>
      withPin(async ({ listen, trigger }) => {
        const readers = [await listen(path), await listen('/named/events')] as const;
        await trigger('usual');
        for (const reader of readers) await reader.event('pipeline_complete');
        const [unnamed, named] = readers;
        expect(unnamed.text).not.to.match(/^event:/m);
        expect(unnamed.messages.every(({ event }) => event === 'message')).to.equal(true);
        expect(named.messages.map(({ event }) => event)).to.deep.equal(named.events.map(({ type }) => type));
        const skipFirst = ({ events }: PinReader) => events.slice(1);
        expect(skipFirst(unnamed)).to.deep.equal(skipFirst(named));
        for (const reader of readers) reader.cut();
      }));

  it('L13: compat.pin.events selects the form of events where the request does not', () =>
    withPin(
      async ({ listen, trigger, ended }) => {
        const id = await trigger('usual');
        await ended(id);
        for (const [path, isNamed] of [
          [`/runs/${id}/events`, true],
          [`/unnamed/runs/${id}/events`, false],
          [`/runs/${id}/events?events=unnamed`, false],
          [`/named/runs/${id}/events`, true],
        ] as const) {
          const reader = await listen(path);
          await reader.end();
          expect(/^event: pipeline_complete$/m.test(reader.text), path).to.equal(isNamed);
        }
      },
      { options: { events: 'named' } },
    ));

  it('a stream below /unnamed has event names if the client requests them', () =>
    withPin(async ({ listen, request }) => {
      const reader = await listen('/unnamed/events?events=named');
      await reader.event('daemon_start');
      expect(reader.text).to.match(/^event: daemon_start$/m);
      reader.cut();
      expect((await request('/events?events=loud')).json).to.include({ error: 'invalid_request' });
    }));

  it('pin defect 9: each line is sent as soon as it is printed', () =>
    withPin(
      async ({ listen, trigger }) => {
        const reader = await listen();
        let resume = (): void => {};
        gate = new Promise((resolve) => {
          resume = resolve;
        });
        await trigger('steps');
        await waitUntil('the first line is sent', () => reader.events.some(({ message }) => message === 'a'));
        expect(reader.events.some(({ message }) => message === 'b')).to.equal(false);
        resume();
        await reader.event('pipeline_complete');
        expect(
          reader.events
            .filter(({ stream }) => stream !== undefined)
            .map(({ message, stream, job }) => [message, stream, job]),
        ).to.deep.equal([
          ['a', 'stdout', 'build'],
          ['b', 'stderr', 'build'],
        ]);
        reader.cut();
      },
      {
        scripts: {
          async steps(script) {
            script.plan('build');
            script.print('build', 'a\n');
            await gate;
            script.print('build', 'b\n', 'stderr');
            return {};
          },
        },
      },
    ));

  it('the data of a frame has at most 60 000 bytes', () =>
    withPin(
      async ({ listen, trigger }) => {
        const reader = await listen();
        await trigger('long');
        await reader.event('pipeline_complete');
        const data = splitFrames(reader.text).map((frame) => /^data: (.*)$/m.exec(frame)![1]!);
        expect(Math.max(...data.map((json) => Buffer.byteLength(json)))).to.be.at.most(60_000);
        expect(
          reader.events
            .filter(({ stream }) => stream !== undefined)
            .map(({ message }) => message)
            .join(''),
        ).to.equal('€"\u0001'.repeat(50_000));
        reader.cut();
      },
      { scripts: { long: printLines(1, () => '€"\u0001'.repeat(50_000)) } },
    ));

  it('a stream sends a comment as heartbeat', () =>
    withPin(
      async ({ listen }) => {
        const reader = await listen('/named/events');
        await waitUntil('two heartbeats arrive', () => reader.text.split(': ping\n\n').length > 2);
        expect(messagesIn(reader.text).map(({ event }) => event)).to.deep.equal(['connection', 'daemon_start']);
        reader.cut();
      },
      { limits: { heartbeatMs: 20 } },
    ));

  it('a stream is rejected if too many are open', () =>
    withPin(
      async ({ listen, request }) => {
        const readers = [await listen(), await listen()];
        const { status, json } = await request('/events');
        expect([status, json['error']]).to.deep.equal([503, 'not_ready']);
        readers[0]!.cut();
        await waitUntil('the stream is closed', async () => (await request('/health')).json['clients'] === 1);
        readers.push(await listen());
        for (const reader of readers) reader.cut();
      },
      { limits: { streamsMax: 2 } },
    ));
});

let gate: Promise<void> = Promise.resolve();

describe('a client that reconnects to the pin API', () => {
  const lines = 3000;
  const many = {
    scripts: {
      async many(script: ScriptContext) {
        script.plan('build');
        for (let at = 0; at < lines; at++) {
          script.print('build', `line ${at}\n`);
          if (at % 500 === 499)
            await new Promise<void>((resolve) => {
              resume = resolve;
            });
        }
        return {};
      },
    },
  };
  let resume = (): void => {};
  const output = (readers: readonly PinReader[]): readonly string[] =>
    readers
      .flatMap(({ events }) => events)
      .filter(({ stream }) => stream !== undefined)
      .map(({ message }) => message);

  for (const by of ['header', 'query'] as const) {
    it(`pin defect 28: a client that reconnects receives every event once (Last-Event-ID as ${by})`, () =>
      withPin(async ({ listen, trigger }) => {
        const readers = [await listen()];
        await trigger('many');
        for (let cut = 0; cut < 6; cut++) {
          const reader = readers.at(-1)!;
          const seen = output(readers.slice(0, -1)).length;
          await waitUntil('new output arrives', () => output(readers).length > seen);
          reader.cut();
          resume();
          await reader.end();
          const id = reader.messages.at(-1)!.id;
          readers.push(
            await (by === 'header'
              ? listen('/events', { 'Last-Event-ID': id })
              : listen(`/events?last_event_id=${id}`)),
          );
        }
        await waitUntil('the run ends', () => {
          resume();
          return types(readers.at(-1)!).includes('pipeline_complete');
        });
        expect(output(readers)).to.deep.equal(Array.from({ length: lines }, (_, at) => `line ${at}`));
        const ids = readers
          .flatMap(({ events }) => events.filter(({ type }) => type !== 'connection' && type !== 'daemon_start'))
          .map(({ id }) => Number(id));
        expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
        expect(new Set(ids).size).to.equal(ids.length);
        readers.at(-1)!.cut();
      }, many));
  }

  it('a client that reconnects before its first event receives what it missed', () =>
    withPin(async ({ listen, trigger, ended }) => {
      const reader = await listen();
      const { id } = await reader.event('connection');
      reader.cut();
      await ended(await trigger('usual'));
      const again = await listen('/events', { 'Last-Event-ID': id });
      await again.event('pipeline_complete');
      expect(types(again).slice(0, 2)).to.deep.equal(['connection', 'pipeline_trigger']);
      expect((await again.event('connection')).id).to.equal(id);
      again.cut();
    }));

  it('a client with the Last-Event-ID 0 receives all events', () =>
    withPin(async ({ listen, trigger, ended }) => {
      await ended(await trigger('usual'));
      const reader = await listen('/events', { 'Last-Event-ID': '0' });
      await reader.event('pipeline_complete');
      expect(types(reader).slice(0, 3)).to.deep.equal(['connection', 'daemon_start', 'pipeline_trigger']);
      expect(types(reader).filter((type) => type === 'daemon_start')).to.have.length(1);
      reader.cut();
    }));

  it('a client with an unknown or future Last-Event-ID receives only new events', () =>
    withPin(async ({ listen, trigger, ended }) => {
      await ended(await trigger('usual'));
      for (const id of ['nonsense', '999999999', '-1', '99999999999999999999']) {
        const reader = await listen('/events', { 'Last-Event-ID': id });
        const run = await trigger('usual');
        await reader.event('pipeline_complete');
        expect(new Set(reader.events.map(({ run_id }) => run_id)), id).to.deep.equal(new Set([undefined, run]));
        reader.cut();
      }
    }));

  it('a client receives a gap if retention removed the events after its Last-Event-ID', () =>
    withPin(
      async ({ listen, trigger, ended, request }) => {
        const run = await trigger('lots');
        await ended(run);
        await waitUntil('old events are removed', async () => {
          const reader = await listen('/events', { 'Last-Event-ID': '1' });
          await waitUntil('the first event arrives', () => reader.events.length > 1);
          reader.cut();
          return types(reader)[1] === 'gap';
        });
        const reader = await listen('/events', { 'Last-Event-ID': '1' });
        await reader.event('pipeline_complete');
        const gap = reader.events[1]!;
        expect(gap).to.include({ type: 'gap', level: 'warning', from: 2, id: String(gap['to']) });
        expect(gap['next']).to.equal(Number(gap['to']) + 1);
        expect(gap.message).to.contain(`the next one is ${String(gap['next'])}`);
        expect(reader.events[2]!.id).to.equal(String(gap['next']));
        const received = output([reader]);
        expect(received).to.deep.equal(
          Array.from({ length: received.length }, (_, at) => `line ${20_000 - received.length + at}`),
        );
        reader.cut();
        expect((await request(`/runs/${run}/logs`)).text).to.match(
          /^\S+ \[warning\] the beginning is no longer stored\n\S+ \[std(out|err)\] \[build\] line \d+\n/,
        );
      },
      { options: { eventsBytes: 256 << 10 }, scripts: { lots: printAlternately(20_000) } },
    ));

  it('a client resumes at its position after a restart of the pin API', () =>
    withTempFolder(async (folder) => {
      const first = await openPin(folder);
      await first.ended(await first.trigger('usual'));
      const before = await first.listen('/events', { 'Last-Event-ID': '0' });
      const { id } = await before.event('pipeline_complete');
      await closePin(first);
      const second = await openPin(folder);
      const after = await second.listen('/events', { 'Last-Event-ID': id });
      await after.event('daemon_start');
      expect(types(after)).to.deep.equal(['connection', 'daemon_stop', 'daemon_start']);
      expect(Number((await after.event('daemon_start')).id)).to.be.greaterThan(1_000_000);
      const all = await second.listen('/events', { 'Last-Event-ID': '0' });
      await waitUntil('all events arrive', () => types(all).filter((type) => type === 'daemon_start').length === 2);
      expect(types(all).at(-1)).to.equal('daemon_start');
      await closePin(second);
    }));
});

describe('the event stream of one run', () => {
  it('pin defect 28: the events of two concurrent runs are distinguished by run id', () =>
    withPin(
      async ({ listen, trigger, ended }) => {
        const all = await listen();
        const ids = [await trigger('both'), await trigger('both')] as const;
        const filtered = await listen(`/events?run_id=${ids[1]}`, { 'Last-Event-ID': '0' });
        await Promise.all(ids.map(ended));
        await waitUntil(
          'all events arrive',
          () => types(all).filter((type) => type === 'pipeline_complete').length === 2,
        );
        for (const id of ids) {
          expect(
            all.events
              .filter(({ run_id, stream }) => run_id === id && stream !== undefined)
              .map(({ message }) => message),
          ).to.deep.equal([`${id} 0`, `${id} 1`, `${id} 2`]);
        }
        await filtered.event('pipeline_complete');
        expect(new Set(filtered.events.slice(1).map(({ run_id }) => run_id))).to.deep.equal(new Set([ids[1]]));
        expect(filtered.events.slice(1).map(({ id }) => id)).to.deep.equal(
          all.events.filter(({ run_id }) => run_id === ids[1]).map(({ id }) => id),
        );
        expect(filtered.ended).to.equal(false);
        for (const reader of [all, filtered]) reader.cut();
      },
      {
        options: { maxConcurrent: 2 },
        scripts: {
          async both(script) {
            script.plan('build');
            for (let at = 0; at < 3; at++) {
              script.print('build', `${script.run} ${at}\n`);
              await new Promise((resolve) => setImmediate(resolve));
            }
            return {};
          },
        },
      },
    ));

  it('the stream of a run starts with its first event and ends with its last', () =>
    withPin(async ({ listen, trigger, ended }) => {
      await ended(await trigger('usual'));
      const id = await trigger('usual');
      const live = await listen(`/runs/${id}/events`);
      await live.end();
      await ended(await trigger('usual'));
      const past = await listen(`/runs/${id}/events`);
      await past.end();
      expect(types(live)[0]).to.equal('connection');
      expect(types(live).slice(1, 3)).to.deep.equal(['pipeline_trigger', 'pipeline_started']);
      expect(types(live).at(-1)).to.equal('pipeline_complete');
      expect(past.events.slice(1)).to.deep.equal(live.events.slice(1));
      expect(new Set(live.events.slice(1).map(({ run_id }) => run_id))).to.deep.equal(new Set([id]));
    }));

  it('the stream of a run has the status 204 for a client that already has all events of the run', () =>
    withPin(async ({ listen, trigger, request }) => {
      const id = await trigger('usual');
      const reader = await listen(`/runs/${id}/events`);
      await reader.end();
      const last = reader.messages.at(-1)!.id;
      expect((await request(`/runs/${id}/events`, { headers: { 'Last-Event-ID': last } })).status).to.equal(204);
      const again = await listen(`/runs/${id}/events`, { 'Last-Event-ID': String(Number(last) - 2) });
      await again.end();
      expect(types(again)).to.deep.equal(['connection', 'job_completed', 'pipeline_complete']);
    }));

  it('the stream of a run has no event names if the client asks for none', () =>
    withPin(async ({ listen, trigger }) => {
      const reader = await listen(`/runs/${await trigger('usual')}/events?events=unnamed`);
      await reader.end();
      expect(reader.text).not.to.match(/^event:/m);
      expect(types(reader).at(-1)).to.equal('pipeline_complete');
    }));
});

describe('a slow client of the pin API', () => {
  it('a slow client does not delay a run and loses nothing', () =>
    withPin(
      async ({ port, trigger, ended }) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {}).write('GET /unnamed/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
        const received: string[] = [];
        socket.setEncoding('utf8').on('data', (text: string) => received.push(text));
        await waitUntil('the stream begins', () => received.length > 0);
        socket.pause();
        await ended(await trigger('floods'));
        socket.resume();
        // Search the end only: the whole is 24 MB long, and the last event may be in two pieces.
        const isComplete = (): boolean => received.slice(-2).join('').includes('"pipeline_complete"');
        await waitUntil('all events arrive', isComplete, 20_000);
        const numbers = [...received.join('').matchAll(/"message":"line (\d+) x*"/g)].map(([, number]) =>
          Number(number),
        );
        expect(numbers).to.deep.equal(Array.from({ length: 40_000 }, (_, at) => at));
        socket.destroy();
      },
      { scripts: { floods: printLines(40_000, (at) => `line ${at} ${'x'.repeat(500)}`) } },
    ));

  it('a slow client needs no more memory than one socket buffer and one batch', () =>
    withTempFolder(async (folder) => {
      const eventLog = await EventLog.open({
        folder,
        bytesMax: 64 << 20,
        limits: defaultLimits,
        runLog: () => undefined,
        log: nullLogger,
      });
      const sink = new StuckSink();
      const stream = new PinStream(eventLog, {
        sink,
        client: 'c',
        start: { after: 0 },
        filter: { unnamed: false },
        bytesMax: 64 << 10,
        onError: (error) => {
          throw error;
        },
      });
      for (let at = 0; at < 20_000; at++)
        eventLog.append({ type: 'log', level: 'info', message: `line ${at} ${'x'.repeat(500)}` });
      await eventLog.close();
      expect(sink.writableLength).to.be.within(64 << 10, 1 << 20);
      while (!sink.ended) {
        sink.take();
        expect(sink.writableLength).to.be.at.most(1 << 20);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const lines = messagesIn(sink.text)
        .filter(({ event }) => event === 'log')
        .map(({ data }) => (JSON.parse(data) as { message: string }).message);
      expect(lines.map((line) => Number(/^line (\d+)/.exec(line)![1]))).to.deep.equal(
        Array.from({ length: 20_000 }, (_, at) => at),
      );
      stream.close();
    }));

  it('a client that accepts no data is disconnected', () =>
    withPin(
      async ({ port, trigger, ended, request }) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {}).write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await new Promise<void>((resolve) =>
          socket.once('data', () => {
            socket.pause();
            resolve();
          }),
        );
        await ended(await trigger('floods'));
        await waitUntil('the reader is disconnected', async () => (await request('/health')).json['clients'] === 0);
        socket.destroy();
      },
      {
        limits: { writeStallMs: 300 },
        scripts: { floods: printLines(40_000, (at) => `line ${at} ${'x'.repeat(500)}`) },
      },
    ));
});

/** A response whose written data stays queued until `take` is called. */
class StuckSink implements Sink {
  text = '';
  ended = false;
  writableLength = 0;
  #taken: (() => void)[] = [];

  write(bytes: string | Uint8Array, taken?: () => void): void {
    this.text += typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8');
    this.writableLength += Buffer.byteLength(bytes);
    if (taken !== undefined) this.#taken.push(taken);
  }

  end(): void {
    this.ended = true;
  }

  take(): void {
    this.writableLength = 0;
    for (const done of this.#taken.splice(0)) done();
  }
}
