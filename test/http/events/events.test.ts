// The event stream of a run, read by a client that knows what the HTML standard says and nothing of us.

import { expect } from 'chai';
import { until } from '../../helpers/until.ts';
import { chance } from '../../runs/kit.ts';
import { openStream } from './reader.ts';
import { onStage, path, type Stage } from './stage.ts';

const isResult = (messages: readonly { readonly event: string }[]): boolean => messages.at(-1)?.event === 'result';

/** Lines and events, told and untold states mixed. */
async function someRun({ run }: Stage): Promise<void> {
  const rnd = chance(7);
  for (let at = 0; at < 60; at++) {
    if (rnd(3) === 0) run.log.emit('fact', { at });
    else run.log.write(rnd(4) === 0 ? 'stderr' : 'stdout', Buffer.from(`line ${at}\n`.repeat(1 + rnd(3))));
  }
  await run.finish();
}

describe('an event stream', () => {
  it('tells of a run as it goes on, and ends with its result', () => onStage(async ({ port, run }) => {
    const reader = await openStream(port, path);
    expect(reader.answer.headers).to.include({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
    expect(reader.answer.headers).not.to.have.any.keys('etag', 'content-length');
    await reader.has('the run is announced', (messages) => messages.length === 1);
    run.print('one\ntwo\n');
    run.log.emit('fact', { known: true });
    await reader.has('lines and an event', (messages) => messages.length === 4);
    run.become('cancelling');
    run.print('three\n');
    await run.finish();
    await reader.end();
    expect(reader.told).to.deep.equal([
      'run {"id":"played","call":"play","state":"running","next":1}', 'line "one"', 'line "two"', 'event {"seq":1,"at":2,"type":"fact","known":true}',
      'run {"id":"played","call":"play","state":"cancelling","next":3}', 'line "three"', 'run {"id":"played","call":"play","state":"ended","next":4}',
      'result {"success":true,"status":"succeeded","exitCode":0,"next":4,"cleanup":{"clean":true,"released":[],"left":[]}}',
    ]);
    expect(reader.messages.map(({ id }) => id)).to.deep.equal(['', '1', '2', '2.1', '2.1', '3', '3', 'end']);
    expect(reader.text).to.match(/^retry: \d+\n\n/);
  }));

  it('goes on exactly where it was from every one of its ids', () => onStage(async (stage) => {
    await someRun(stage);
    const whole = await openStream(stage.port, path);
    await whole.end();
    expect(whole.messages.length).to.be.greaterThan(60);
    const cursors = whole.messages.map(({ event }) => event !== 'run');
    for (const [at, { id, event }] of whole.messages.entries()) {
      if (!cursors[at] || event === 'result') continue;
      const rest = whole.told.slice(at + 1).filter((told) => !told.startsWith('run '));
      const again = await openStream(stage.port, path, { headers: { 'Last-Event-ID': id } });
      await again.end();
      // Only the number of an event says that this is known: which stream the lines come from.
      const turn = /\./.test(id) ? undefined : whole.told.slice(0, at).findLast((told) => told.includes('"type":"stream"'));
      expect(again.told.filter((told) => !told.startsWith('run ')), `after ${id}`).to.deep.equal([...(turn === undefined ? [] : [turn]), ...rest]);
      // And it leads nobody back who comes again.
      if (turn !== undefined) expect(again.messages[1]).to.include({ event: 'event', id: '' });
      const asked = await openStream(stage.port, `${path}?after=${id}`);
      await asked.end();
      expect(asked.text).to.equal(again.text);
    }
  }));

  it('tells everything once to a reader that is cut off and comes back, while the run goes on', () => onStage(async ({ port, run }) => {
    const rnd = chance(11);
    const told: string[] = [];
    let id = '';
    let printed = 0;
    for (let cut = 0; cut < 60; cut++) {
      const reader = await openStream(port, path, { headers: id === '' ? {} : { 'Last-Event-ID': id } });
      for (let at = rnd(200); at >= 0; at--) run.print(`line ${(printed += 1)}\n`);
      if (rnd(2) === 0) run.log.emit('fact', { cut });
      await reader.has(`something is told, cut ${cut}`, (messages) => messages.some(({ event }) => event === 'line'));
      reader.cut();
      await reader.end();
      told.push(...reader.told.filter((one) => !one.startsWith('run ')));
      id = reader.messages.at(-1)?.id ?? id;
    }
    await run.finish();
    const reader = await openStream(port, path, { headers: { 'Last-Event-ID': id } });
    await reader.end();
    told.push(...reader.told.filter((one) => !one.startsWith('run ')));
    const whole = await openStream(port, path);
    await whole.end();
    expect(told).to.deep.equal(whole.told.filter((one) => !one.startsWith('run ')));
    expect(told.filter((one) => one.startsWith('line ')).length).to.equal(printed);
  })).timeout(30_000);

  it('begins where it is asked to, at the front or at the back', () => onStage(async ({ port, run }) => {
    run.print('one\ntwo\nthree\n');
    await run.finish();
    for (const [query, lines] of [['after=1', ['two', 'three']], ['last=1', ['three']], ['last=0', []], ['after=0', ['one', 'two', 'three']], ['after=99', []]] as const) {
      const reader = await openStream(port, `${path}?${query}`);
      await reader.end();
      expect(reader.messages.filter(({ event }) => event === 'line').map(({ data }) => JSON.parse(data) as string), query).to.deep.equal(lines);
      expect(reader.messages.at(-1)).to.include({ event: 'result' });
    }
  }));

  it('says first which stream and which job its first line comes from', () => onStage(async ({ port, run }) => {
    run.print('one\n');
    run.log.part('build').write('stderr', Buffer.from('two\nthree\nfour\n'));
    run.log.part('test').write('stdout', Buffer.from('five\n'));
    const build = 'event {"seq":1,"at":1,"type":"stream","stream":"stderr","job":"build"}';
    const test = 'event {"seq":2,"at":4,"type":"stream","stream":"stdout","job":"test"}';
    const now = await openStream(port, `${path}?last=0`);
    await now.has('what comes is said whose it is', (messages) => messages.length === 2);
    await run.finish();
    await now.end();
    const told = async (query: string): Promise<readonly string[]> => {
      const reader = await openStream(port, `${path}?${query}`);
      await reader.end();
      return reader.told.slice(1, -1);
    };
    expect(now.told[1]).to.equal(test);
    expect(await told('after=1')).to.deep.equal([build, 'line "two"', 'line "three"', 'line "four"', test, 'line "five"']);
    expect(await told('after=2')).to.deep.equal([build, 'line "three"', 'line "four"', test, 'line "five"']);
    expect(await told('last=1')).to.deep.equal([build, test, 'line "five"']);
    expect(await told('after=2.1')).to.deep.equal(['line "three"', 'line "four"', test, 'line "five"']);
  }));

  it('goes on from the last id of a browser, whatever its address says', () => onStage(async ({ port, run }) => {
    run.print('one\ntwo\n');
    await run.finish();
    const reader = await openStream(port, `${path}?after=0`, { headers: { 'Last-Event-ID': '1' } });
    await reader.end();
    expect(reader.told[1]).to.equal('line "two"');
  }));

  for (const [query, id] of [['after=x', ''], ['after=-1', ''], ['after=1.', ''], ['after=1&after=2', ''], ['after=1&last=1', ''], ['last=x', ''], ['', 'x'], ['', '1.2.3'], ['', '9'.repeat(16)]]) {
    it(`refuses ${query === '' ? `the id ${id}` : query}`, () => onStage(async ({ serving }) => {
      const served = await serving.ask(`${path}?${query}`, { headers: id === '' ? {} : { 'Last-Event-ID': id! } });
      expect(served.status).to.equal(400);
      expect(served.headers['content-type']).to.contain('application/json');
    }));
  }

  it('has nothing more for those who have seen the result', () => onStage(async ({ serving, run }) => {
    await run.finish();
    expect(await serving.ask(path, { headers: { 'Last-Event-ID': 'end' } })).to.include({ status: 204, body: '' });
  }));

  it('is there for HEAD without being opened, and is not there for a run that is not', () => onStage(async ({ serving, streams, run }) => {
    const head = await serving.ask(path, { method: 'HEAD' });
    expect(head).to.include({ status: 200, body: '' });
    expect(head.headers).to.include({ 'content-type': 'text/event-stream; charset=utf-8' });
    expect([streams.size, run.listeners]).to.deep.equal([0, 0]);
    expect((await serving.ask(path.replace('played', 'nobody'))).status).to.equal(404);
  }));

  it('may be read by pages of the origins that are listed', () => onStage(async ({ serving, run }) => {
    await run.finish();
    expect((await serving.ask(path, { headers: { Origin: 'https://app.example.org' } })).headers).to.include({ 'access-control-allow-origin': 'https://app.example.org' });
  }));

  it('tells the lines of a terminal', () => onStage(async ({ port, run }) => {
    run.print('one\r\ntw');
    const reader = await openStream(port, path);
    await reader.has('the first line', (messages) => messages.length === 2);
    run.print('o\r\nrest');
    await run.finish();
    await reader.end();
    expect(reader.messages.filter(({ event }) => event === 'line').map(({ data, id }) => [id, JSON.parse(data)])).to.deep.equal([['1', 'one'], ['2', 'two'], ['3', 'rest']]);
  }, { shape: 'raw' }));

  it('tells of lines that are gone, and goes on behind them', () => onStage(async ({ port, run }) => {
    const line = `${'x'.repeat(99)}\n`;
    for (let at = 0; at < 40; at++) {
      run.print(line.repeat(100));
      await until('it is written', () => run.log.written.byte === run.log.position.byte);
    }
    const segments = await run.log.segments();
    expect(segments.length).to.be.greaterThan(2);
    await run.log.dropSegments(segments.at(-1)!.number);
    await run.finish();
    const reader = await openStream(port, path);
    await reader.end();
    const gap = reader.messages.find(({ event }) => event === 'gap');
    const { from, to, reason } = JSON.parse(gap?.data ?? '{}') as { from: number; to: number; reason: string };
    expect([from, reason, gap?.id]).to.deep.equal([1, 'retention', String(to)]);
    const ids = reader.messages.filter(({ event }) => event === 'line').map(({ id }) => Number(id));
    expect([ids[0], ids.at(-1), ids.length]).to.deep.equal([to + 1, 4000, 4000 - to]);
    const again = await openStream(port, path, { headers: { 'Last-Event-ID': String(to) } });
    await again.end();
    expect(again.messages.filter(({ event }) => event === 'line' || event === 'gap').length).to.equal(4000 - to);
  }, { limits: { segmentBytesMax: 64 << 10, tailBytesMax: 0 } }));

  it('shows that it lives when there is nothing to tell', () => onStage(async ({ port }) => {
    const reader = await openStream(port, path);
    await until('two heartbeats', () => reader.text.split('\n:\n').length > 2);
    expect(reader.messages).to.have.length(1);
    reader.cut();
  }, { limits: { heartbeatMs: 10 } }));

  it('holds little for a reader that does not read, and tells it everything when it does', () => onStage(async ({ port, run, streams }) => {
    const reader = await openStream(port, path);
    await reader.has('the run is announced', isAnnounced);
    reader.answer.pause();
    const line = `${'x'.repeat(999)}\n`;
    for (let at = 0; at < 300; at++) {
      run.print(line.repeat(100));
      if (run.log.full) await run.log.drained();
    }
    await until('it is written', () => run.log.written.byte === run.log.position.byte);
    expect(streams.waitingBytes).to.be.lessThan(2 << 20);
    reader.answer.resume();
    await run.finish();
    await reader.end();
    expect(reader.text.split('event: line').length - 1).to.equal(30_000);
  }, { limits: { writeStallMs: 60_000 } })).timeout(20_000);

  it('is cut off a reader that takes nothing for too long', () => onStage(async ({ port, run, streams }) => {
    const reader = await openStream(port, path);
    await reader.has('the run is announced', isAnnounced);
    reader.answer.pause();
    for (let at = 0; at < 200; at++) {
      run.print(`${'x'.repeat(999)}\n`.repeat(100));
      if (run.log.full) await run.log.drained();
    }
    await until('it is cut off', () => streams.size === 0);
    expect(run.listeners).to.equal(0);
    reader.cut();
  }, { limits: { writeStallMs: 100 } })).timeout(20_000);

  it('lets go of the run when its reader goes', () => onStage(async ({ port, run, streams }) => {
    const readers = await Promise.all(Array.from({ length: 5 }, () => openStream(port, path)));
    await until('all are open', () => run.listeners === 5);
    for (const reader of readers) reader.cut();
    await until('none is open', () => streams.size === 0 && run.listeners === 0);
  }));

  it('is refused when too many are open', () => onStage(async ({ port, serving }) => {
    const reader = await openStream(port, path);
    const served = await serving.ask(path);
    expect(served).to.include({ status: 503 });
    expect(served.json()).to.deep.equal({ status: 503, code: 'not_ready', message: 'too many event streams are open, at most 1 can be' });
    reader.cut();
  }, { limits: { streamsMax: 1 } }));

  it('ends when the API is switched off', () => onStage(async (stage) => {
    const reader = await openStream(stage.port, path);
    await reader.has('the run is announced', isAnnounced);
    stage.api = false;
    await reader.end();
    expect((await stage.serving.ask(path)).status).to.equal(501);
  }, { limits: { heartbeatMs: 20 } }));

  it('goes on to the end of its run when the gateway stops, and none is opened then', () => onStage(async ({ port, run, serving, streams }) => {
    const reader = await openStream(port, path);
    await reader.has('the run is announced', isAnnounced);
    streams.shutDown();
    expect((await serving.ask(path)).json()).to.include({ status: 503, code: 'stopping' });
    await run.finish();
    await streams.empty();
    await reader.has('the result', isResult);
  }));
});

function isAnnounced(messages: readonly unknown[]): boolean {
  return messages.length > 0;
}
