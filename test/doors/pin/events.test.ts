// The event stream of the pin door: its frames, where a reader begins, what it is told when it comes back, and what it costs.

import { expect } from 'chai';
import { connect } from 'node:net';
import { defaultLimits } from '../../../protocol/limits.ts';
import { Journal } from '../../../server/doors/pin/events/journal.ts';
import { PinStream, type Sink } from '../../../server/doors/pin/events/stream.ts';
import { silent } from '../../../server/support/logger.ts';
import { until } from '../../helpers/until.ts';
import { messagesIn } from '../../http/events/reader.ts';
import { inFolder } from '../../runs/kit.ts';
import { closePin, openPin, withPin, type Played, type PinReader } from './stage.ts';

const types = ({ events }: PinReader): readonly string[] => events.map(({ type }) => type);
/** Of a stream as text, the frames. */
const framesOf = (text: string): readonly string[] => text.split('\n\n').slice(0, -1);

const prints = (count: number, text: (at: number) => string) => async (it: Played) => {
  it.plan('build');
  for (let at = 0; at < count; at++) it.print('build', `${text(at)}\n`);
  return {};
};

describe('the event stream of the pin door', () => {
  it('is frames of an id, a name and one line of JSON', () => withPin(async ({ listen, trigger }) => {
    const reader = await listen();
    await trigger('usual');
    await reader.event('pipeline_complete');
    expect(reader.answer.headers).to.include({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
    for (const frame of framesOf(reader.text)) {
      const [, name, json] = /^id: \d+\nevent: (\w+)\ndata: (\{.*\})$/.exec(frame) ?? [];
      const data = JSON.parse(json!) as Record<string, unknown>;
      expect(data['type']).to.equal(name);
      expect(data['level']).to.be.oneOf(['info', 'success', 'warning', 'error']);
      expect(data['message']).to.be.a('string');
      expect(data['timestamp']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
    reader.cut();
  }));

  it('says of which run and which job an event is, and nothing of those it is not of', () => withPin(async ({ listen, trigger }) => {
    const reader = await listen();
    const id = await trigger('usual');
    await reader.event('pipeline_complete');
    for (const event of reader.events) {
      expect('run_id' in event ? event.run_id : undefined, event.type).to.equal(/^(connection|daemon_)/.test(event.type) ? undefined : id);
      expect('job' in event ? event.job : undefined, event.type).to.equal(/^(job_|log)/.test(event.type) ? 'build' : undefined);
    }
    reader.cut();
  }));

  it('begins with the connection, and what was told when nobody could hear it', () => withPin(async ({ listen }) => {
    const reader = await listen();
    const { clientId, message } = await reader.event('connection');
    expect([typeof clientId, message]).to.deep.equal(['string', 'Connected to PIN SSE server']);
    const start = await reader.event('daemon_start');
    expect(start).to.include({ message: 'PIN daemon started successfully', sse_endpoint: '/events', health_endpoint: '/health', runs_endpoint: '/runs', level: 'info' });
    expect(types(reader)).to.deep.equal(['connection', 'daemon_start']);
    reader.cut();
  }));

  it('begins now for those who come for the first time', () => withPin(async ({ listen, trigger, over }) => {
    await over(await trigger('usual'));
    const reader = await listen();
    await reader.event('daemon_start');
    const id = await trigger('usual');
    await reader.event('pipeline_complete');
    expect(new Set(reader.events.map(({ run_id }) => run_id))).to.deep.equal(new Set([undefined, id]));
    expect(types(reader).slice(0, 4)).to.deep.equal(['connection', 'daemon_start', 'pipeline_trigger', 'pipeline_started']);
    reader.cut();
  }));

  for (const path of ['/events?events=unnamed', '/unnamed/events', '/unnamed/events/']) {
    it(`has no names at ${path}, and each event once`, () => withPin(async ({ listen, trigger }) => {
      const readers = [await listen(path), await listen('/events')] as const;
      await trigger('usual');
      for (const reader of readers) await reader.event('pipeline_complete');
      const [unnamed, named] = readers;
      expect(unnamed.text).not.to.match(/^event:/m);
      expect(unnamed.messages.every(({ event }) => event === 'message')).to.equal(true);
      const told = ({ events }: PinReader) => events.slice(1);
      expect(told(unnamed)).to.deep.equal(told(named));
      for (const reader of readers) reader.cut();
    }));
  }

  it('has names again where they are asked for', () => withPin(async ({ listen, ask }) => {
    const reader = await listen('/unnamed/events?events=named');
    await reader.event('daemon_start');
    expect(reader.text).to.match(/^event: daemon_start$/m);
    reader.cut();
    expect((await ask('/events?events=loud')).json).to.include({ error: 'invalid_request' });
  }));

  it('pin defect 9: tells each line as soon as it is printed', () => withPin(async ({ listen, trigger }) => {
    const reader = await listen();
    let goOn = (): void => {};
    gate = new Promise((resolve) => { goOn = resolve; });
    await trigger('steps');
    await until('the first line is told', () => reader.events.some(({ message }) => message === 'a'));
    expect(reader.events.some(({ message }) => message === 'b')).to.equal(false);
    goOn();
    await reader.event('pipeline_complete');
    expect(reader.events.filter(({ stream }) => stream !== undefined).map(({ message, stream, job }) => [message, stream, job])).to.deep.equal([['a', 'stdout', 'build'], ['b', 'stderr', 'build']]);
    reader.cut();
  }, {
    plays: {
      async steps(it) {
        it.plan('build');
        it.print('build', 'a\n');
        await gate;
        it.print('build', 'b\n', 'stderr');
        return {};
      },
    },
  }));

  it('holds no frame whose data is longer than 60 000 bytes', () => withPin(async ({ listen, trigger }) => {
    const reader = await listen();
    await trigger('long');
    await reader.event('pipeline_complete');
    const data = framesOf(reader.text).map((frame) => /^data: (.*)$/m.exec(frame)![1]!);
    expect(Math.max(...data.map((json) => Buffer.byteLength(json)))).to.be.at.most(60_000);
    expect(reader.events.filter(({ stream }) => stream !== undefined).map(({ message }) => message).join('')).to.equal('€"\u0001'.repeat(50_000));
    reader.cut();
  }, { plays: { long: prints(1, () => '€"\u0001'.repeat(50_000)) } }));

  it('shows that it lives by a comment', () => withPin(async ({ listen }) => {
    const reader = await listen();
    await until('there are two', () => reader.text.split(': ping\n\n').length > 2);
    expect(messagesIn(reader.text).map(({ event }) => event)).to.deep.equal(['connection', 'daemon_start']);
    reader.cut();
  }, { limits: { heartbeatMs: 20 } }));

  it('has a bound on how many there are', () => withPin(async ({ listen, ask }) => {
    const readers = [await listen(), await listen()];
    const { status, json } = await ask('/events');
    expect([status, json['error']]).to.deep.equal([503, 'not_ready']);
    readers[0]!.cut();
    await until('there is room again', async () => (await ask('/health')).json['clients'] === 1);
    readers.push(await listen());
    for (const reader of readers) reader.cut();
  }, { limits: { streamsMax: 2 } }));
});

let gate: Promise<void> = Promise.resolve();

describe('a reader that comes back to the pin door', () => {
  const lines = 3000;
  const many = {
    plays: {
      async many(it: Played) {
        it.plan('build');
        for (let at = 0; at < lines; at++) {
          it.print('build', `line ${at}\n`);
          if (at % 500 === 499) await new Promise<void>((resolve) => { goOn = resolve; });
        }
        return {};
      },
    },
  };
  let goOn = (): void => {};
  const output = (readers: readonly PinReader[]): readonly string[] => readers.flatMap(({ events }) => events).filter(({ stream }) => stream !== undefined).map(({ message }) => message);

  for (const by of ['header', 'query'] as const) {
    it(`pin defect 28: loses nothing and hears nothing twice (Last-Event-ID as ${by})`, () => withPin(async ({ listen, trigger }) => {
      const readers = [await listen()];
      await trigger('many');
      for (let cut = 0; cut < 6; cut++) {
        const reader = readers.at(-1)!;
        const seen = output(readers.slice(0, -1)).length;
        await until('there is something new', () => output(readers).length > seen);
        reader.cut();
        goOn();
        await reader.end();
        const id = reader.messages.at(-1)!.id;
        readers.push(await (by === 'header' ? listen('/events', { 'Last-Event-ID': id }) : listen(`/events?last_event_id=${id}`)));
      }
      await until('it is over', () => {
        goOn();
        return types(readers.at(-1)!).includes('pipeline_complete');
      });
      expect(output(readers)).to.deep.equal(Array.from({ length: lines }, (_, at) => `line ${at}`));
      const ids = readers.flatMap(({ events }) => events.filter(({ type }) => type !== 'connection' && type !== 'daemon_start')).map(({ id }) => Number(id));
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
      expect(new Set(ids).size).to.equal(ids.length);
      readers.at(-1)!.cut();
    }, many));
  }

  it('before it has heard of anything is told what came meanwhile', () => withPin(async ({ listen, trigger, over }) => {
    const reader = await listen();
    const { id } = await reader.event('connection');
    reader.cut();
    await over(await trigger('usual'));
    const again = await listen('/events', { 'Last-Event-ID': id });
    await again.event('pipeline_complete');
    expect(types(again).slice(0, 2)).to.deep.equal(['connection', 'pipeline_trigger']);
    expect((await again.event('connection')).id).to.equal(id);
    again.cut();
  }));

  it('with the id 0 is told everything', () => withPin(async ({ listen, trigger, over }) => {
    await over(await trigger('usual'));
    const reader = await listen('/events', { 'Last-Event-ID': '0' });
    await reader.event('pipeline_complete');
    expect(types(reader).slice(0, 3)).to.deep.equal(['connection', 'daemon_start', 'pipeline_trigger']);
    expect(types(reader).filter((type) => type === 'daemon_start')).to.have.length(1);
    reader.cut();
  }));

  it('with an id that is not ours, or is still to come, begins now', () => withPin(async ({ listen, trigger, over }) => {
    await over(await trigger('usual'));
    for (const id of ['nonsense', '999999999', '-1', '99999999999999999999']) {
      const reader = await listen('/events', { 'Last-Event-ID': id });
      const run = await trigger('usual');
      await reader.event('pipeline_complete');
      expect(new Set(reader.events.map(({ run_id }) => run_id)), id).to.deep.equal(new Set([undefined, run]));
      reader.cut();
    }
  }));

  it('is told of a gap when retention has removed what it wanted', () => withPin(async ({ listen, trigger, over, ask }) => {
    const run = await trigger('lots');
    await over(run);
    await until('old events are removed', async () => {
      const reader = await listen('/events', { 'Last-Event-ID': '1' });
      await reader.event('pipeline_complete');
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
    const heard = output([reader]);
    expect(heard).to.deep.equal(Array.from({ length: heard.length }, (_, at) => `line ${20_000 - heard.length + at}`));
    reader.cut();
    expect((await ask(`/runs/${run}/logs`)).text).to.match(/^\S+ \[warning\] the beginning is not kept any more\n\S+ \[stdout\] \[build\] line \d+\n/);
  }, { options: { eventsBytes: 256 << 10 }, plays: { lots: prints(20_000, (at) => `line ${at}`) } }));

  it('to a door that was opened again goes on where it was', () => inFolder(async (folder) => {
    const first = await openPin(folder);
    await first.over(await first.trigger('usual'));
    const before = await first.listen('/events', { 'Last-Event-ID': '0' });
    const { id } = await before.event('pipeline_complete');
    await closePin(first);
    const second = await openPin(folder);
    const after = await second.listen('/events', { 'Last-Event-ID': id });
    await after.event('daemon_start');
    expect(types(after)).to.deep.equal(['connection', 'daemon_stop', 'daemon_start']);
    expect(Number((await after.event('daemon_start')).id)).to.be.greaterThan(1_000_000);
    const all = await second.listen('/events', { 'Last-Event-ID': '0' });
    await until('all is told', () => types(all).filter((type) => type === 'daemon_start').length === 2);
    expect(types(all).at(-1)).to.equal('daemon_start');
    await closePin(second);
  }));
});

describe('a reader of one run', () => {
  it('pin defect 28: tells two runs at once apart by their ids', () => withPin(async ({ listen, trigger, over }) => {
    const all = await listen();
    const ids = [await trigger('both'), await trigger('both')] as const;
    const filtered = await listen(`/events?run_id=${ids[1]}`, { 'Last-Event-ID': '0' });
    await Promise.all(ids.map(over));
    await until('all is told', () => types(all).filter((type) => type === 'pipeline_complete').length === 2);
    for (const id of ids) {
      expect(all.events.filter(({ run_id, stream }) => run_id === id && stream !== undefined).map(({ message }) => message)).to.deep.equal([`${id} 0`, `${id} 1`, `${id} 2`]);
    }
    await filtered.event('pipeline_complete');
    expect(new Set(filtered.events.slice(1).map(({ run_id }) => run_id))).to.deep.equal(new Set([ids[1]]));
    expect(filtered.events.slice(1).map(({ id }) => id)).to.deep.equal(all.events.filter(({ run_id }) => run_id === ids[1]).map(({ id }) => id));
    expect(filtered.ended).to.equal(false);
    for (const reader of [all, filtered]) reader.cut();
  }, {
    options: { maxConcurrent: 2 },
    plays: {
      async both(it) {
        it.plan('build');
        for (let at = 0; at < 3; at++) {
          it.print('build', `${it.run} ${at}\n`);
          await new Promise((resolve) => setImmediate(resolve));
        }
        return {};
      },
    },
  }));

  it('hears it from the beginning, and the stream ends with it', () => withPin(async ({ listen, trigger, over }) => {
    await over(await trigger('usual'));
    const id = await trigger('usual');
    const live = await listen(`/runs/${id}/events`);
    await live.end();
    await over(await trigger('usual'));
    const past = await listen(`/runs/${id}/events`);
    await past.end();
    expect(types(live)[0]).to.equal('connection');
    expect(types(live).slice(1, 3)).to.deep.equal(['pipeline_trigger', 'pipeline_started']);
    expect(types(live).at(-1)).to.equal('pipeline_complete');
    expect(past.events.slice(1)).to.deep.equal(live.events.slice(1));
    expect(new Set(live.events.slice(1).map(({ run_id }) => run_id))).to.deep.equal(new Set([id]));
  }));

  it('that has heard all of it is told that there is no more', () => withPin(async ({ listen, trigger, ask }) => {
    const id = await trigger('usual');
    const reader = await listen(`/runs/${id}/events`);
    await reader.end();
    const last = reader.messages.at(-1)!.id;
    expect((await ask(`/runs/${id}/events`, { headers: { 'Last-Event-ID': last } })).status).to.equal(204);
    const again = await listen(`/runs/${id}/events`, { 'Last-Event-ID': String(Number(last) - 2) });
    await again.end();
    expect(types(again)).to.deep.equal(['connection', 'job_completed', 'pipeline_complete']);
  }));

  it('has no names where none are wanted', () => withPin(async ({ listen, trigger }) => {
    const reader = await listen(`/runs/${await trigger('usual')}/events?events=unnamed`);
    await reader.end();
    expect(reader.text).not.to.match(/^event:/m);
    expect(types(reader).at(-1)).to.equal('pipeline_complete');
  }));
});

describe('a reader of the pin door that is slow', () => {
  it('slows no run, and goes on where it was', () => withPin(async ({ port, trigger, over }) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {}).write('GET /unnamed/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let heard = '';
    await new Promise<void>((resolve) => socket.once('data', (bytes: Buffer) => { heard += bytes.toString(); socket.pause(); resolve(); }));
    await over(await trigger('floods'));
    socket.on('data', (bytes: Buffer) => { heard += bytes.toString(); });
    socket.resume();
    await until('it has all of it', () => heard.includes('"pipeline_complete"'), 20_000);
    const numbers = [...heard.matchAll(/"message":"line (\d+) x*"/g)].map(([, number]) => Number(number));
    expect(numbers).to.deep.equal(Array.from({ length: 40_000 }, (_, at) => at));
    socket.destroy();
  }, { plays: { floods: prints(40_000, (at) => `line ${at} ${'x'.repeat(500)}`) } }));

  it('costs no more memory than one socket may hold, and a batch', () => inFolder(async (folder) => {
    const journal = await Journal.open({ folder, bytesMax: 64 << 20, limits: defaultLimits, log: silent });
    const sink = new StuckSink();
    const stream = new PinStream(journal, { sink, client: 'c', start: { after: 0 }, wish: { unnamed: false }, bytesMax: 64 << 10, onError: (error) => { throw error; } });
    for (let at = 0; at < 20_000; at++) journal.append({ type: 'log', level: 'info', message: `line ${at} ${'x'.repeat(500)}` });
    await journal.close();
    expect(sink.writableLength).to.be.within(64 << 10, 1 << 20);
    while (!sink.ended) {
      sink.take();
      expect(sink.writableLength).to.be.at.most(1 << 20);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const lines = messagesIn(sink.text).filter(({ event }) => event === 'log').map(({ data }) => (JSON.parse(data) as { message: string }).message);
    expect(lines.map((line) => Number(/^line (\d+)/.exec(line)![1]))).to.deep.equal(Array.from({ length: 20_000 }, (_, at) => at));
    stream.close();
  }));

  it('is left when it takes nothing at all', () => withPin(async ({ port, trigger, over, ask }) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {}).write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise<void>((resolve) => socket.once('data', () => { socket.pause(); resolve(); }));
    await over(await trigger('floods'));
    await until('it is left', async () => (await ask('/health')).json['clients'] === 0);
    socket.destroy();
  }, { limits: { writeStallMs: 300 }, plays: { floods: prints(40_000, (at) => `line ${at} ${'x'.repeat(500)}`) } }));
});

/** Takes what is written only when it is told to. */
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
    for (const tell of this.#taken.splice(0)) tell();
  }
}
