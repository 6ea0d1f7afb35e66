// Tests the event stream of a run with a client that implements only the HTML standard.

import { expect } from 'chai';
import { openStream } from '../../helpers/http/sse-reader.ts';
import { path, type StreamFixture, withStream } from '../../helpers/http/sse-test-server.ts';
import { seededRandom } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const isResult = (messages: readonly { readonly event: string }[]): boolean => messages.at(-1)?.event === 'result';

/** Writes a random sequence of lines and events, then ends the run. */
async function playRandomRun({ run }: StreamFixture): Promise<void> {
  const rnd = seededRandom(7);
  for (let at = 0; at < 60; at++) {
    if (rnd(3) === 0) run.log.emit('fact', { at });
    else run.log.write(rnd(4) === 0 ? 'stderr' : 'stdout', Buffer.from(`line ${at}\n`.repeat(1 + rnd(3))));
  }
  await run.finish();
}

describe('an event stream', () => {
  it('an event stream sends a run from its start to its result', () =>
    withStream(async ({ port, run }) => {
      const reader = await openStream(port, path);
      expect(reader.answer.headers).to.include({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      });
      expect(reader.answer.headers).not.to.have.any.keys('etag', 'content-length');
      await reader.has('the run is announced', (messages) => messages.length === 1);
      run.print('one\ntwo\n');
      run.log.emit('fact', { known: true });
      await reader.has('lines and an event', (messages) => messages.length === 4);
      run.become('cancelling');
      run.print('three\n');
      await run.finish();
      await reader.end();
      expect(reader.summaries).to.deep.equal([
        'run {"id":"played","call":"play","state":"running","next":1}',
        'line "one"',
        'line "two"',
        'event {"seq":1,"at":2,"type":"fact","known":true}',
        'run {"id":"played","call":"play","state":"cancelling","next":3}',
        'line "three"',
        'run {"id":"played","call":"play","state":"ended","next":4}',
        `result ${JSON.stringify({
          success: true,
          status: 'succeeded',
          exitCode: 0,
          next: 4,
          cleanup: { clean: true, released: [], left: [] },
        })}`,
      ]);
      expect(reader.messages.map(({ id }) => id)).to.deep.equal(['', '1', '2', '2.1', '2.1', '3', '3', 'end']);
      expect(reader.text).to.match(/^retry: \d+\n\n/);
    }));

  it('an event stream that resumes at an id sends exactly what follows the message with this id', () =>
    withStream(async (fixture) => {
      await playRandomRun(fixture);
      const whole = await openStream(fixture.port, path);
      await whole.end();
      expect(whole.messages.length).to.be.greaterThan(60);
      const cursors = whole.messages.map(({ event }) => event !== 'run');
      for (const [at, { id, event }] of whole.messages.entries()) {
        if (!cursors[at] || event === 'result') continue;
        const rest = whole.summaries.slice(at + 1).filter((summary) => !summary.startsWith('run '));
        const again = await openStream(fixture.port, path, { headers: { 'Last-Event-ID': id } });
        await again.end();
        // The id of an event implies that the client knows the current stream; the id of a line does not.
        const repeated = /\./.test(id)
          ? undefined
          : whole.summaries.slice(0, at).findLast((summary) => summary.includes('"type":"stream"'));
        expect(
          again.summaries.filter((summary) => !summary.startsWith('run ')),
          `after ${id}`,
        ).to.deep.equal([...(repeated === undefined ? [] : [repeated]), ...rest]);
        // The repeated event has no id, so it does not change where a client resumes after its next reconnect.
        if (repeated !== undefined) expect(again.messages[1]).to.include({ event: 'event', id: '' });
        const byQuery = await openStream(fixture.port, `${path}?after=${id}`);
        await byQuery.end();
        expect(byQuery.text).to.equal(again.text);
      }
    }));

  it('a client that reconnects repeatedly during a run receives everything exactly once', () =>
    withStream(async ({ port, run }) => {
      const rnd = seededRandom(11);
      const received: string[] = [];
      let id = '';
      let printed = 0;
      for (let cut = 0; cut < 60; cut++) {
        const reader = await openStream(port, path, { headers: id === '' ? {} : { 'Last-Event-ID': id } });
        for (let at = rnd(200); at >= 0; at--) run.print(`line ${(printed += 1)}\n`);
        if (rnd(2) === 0) run.log.emit('fact', { cut });
        await reader.has(`a line arrives, cut ${cut}`, (messages) => messages.some(({ event }) => event === 'line'));
        reader.cut();
        await reader.end();
        received.push(...reader.summaries.filter((summary) => !summary.startsWith('run ')));
        id = reader.messages.at(-1)?.id ?? id;
      }
      await run.finish();
      const reader = await openStream(port, path, { headers: { 'Last-Event-ID': id } });
      await reader.end();
      received.push(...reader.summaries.filter((summary) => !summary.startsWith('run ')));
      const whole = await openStream(port, path);
      await whole.end();
      expect(received).to.deep.equal(whole.summaries.filter((summary) => !summary.startsWith('run ')));
      expect(received.filter((summary) => summary.startsWith('line ')).length).to.equal(printed);
    })).timeout(60_000);

  it('an event stream starts at the requested line, counted from the start or the end', () =>
    withStream(async ({ port, run }) => {
      run.print('one\ntwo\nthree\n');
      await run.finish();
      for (const [query, lines] of [
        ['after=1', ['two', 'three']],
        ['last=1', ['three']],
        ['last=0', []],
        ['after=0', ['one', 'two', 'three']],
        ['after=99', []],
      ] as const) {
        const reader = await openStream(port, `${path}?${query}`);
        await reader.end();
        expect(
          reader.messages.filter(({ event }) => event === 'line').map(({ data }) => JSON.parse(data) as string),
          query,
        ).to.deep.equal(lines);
        expect(reader.messages.at(-1)).to.include({ event: 'result' });
      }
    }));

  it('an event stream first names the output stream and the job of its first line', () =>
    withStream(async ({ port, run }) => {
      run.print('one\n');
      run.log.part('build').write('stderr', Buffer.from('two\nthree\nfour\n'));
      run.log.part('test').write('stdout', Buffer.from('five\n'));
      const build = 'event {"seq":1,"at":1,"type":"stream","stream":"stderr","job":"build"}';
      const test = 'event {"seq":2,"at":4,"type":"stream","stream":"stdout","job":"test"}';
      const now = await openStream(port, `${path}?last=0`);
      await now.has('the stream of the next line arrives', (messages) => messages.length === 2);
      await run.finish();
      await now.end();
      const readSummaries = async (query: string): Promise<readonly string[]> => {
        const reader = await openStream(port, `${path}?${query}`);
        await reader.end();
        return reader.summaries.slice(1, -1);
      };
      expect(now.summaries[1]).to.equal(test);
      expect(await readSummaries('after=1')).to.deep.equal([
        build,
        'line "two"',
        'line "three"',
        'line "four"',
        test,
        'line "five"',
      ]);
      expect(await readSummaries('after=2')).to.deep.equal([build, 'line "three"', 'line "four"', test, 'line "five"']);
      expect(await readSummaries('last=1')).to.deep.equal([build, test, 'line "five"']);
      expect(await readSummaries('after=2.1')).to.deep.equal(['line "three"', 'line "four"', test, 'line "five"']);
    }));

  it('an event stream resumes at the Last-Event-ID of a browser, whatever its query says', () =>
    withStream(async ({ port, run }) => {
      run.print('one\ntwo\n');
      await run.finish();
      const reader = await openStream(port, `${path}?after=0`, { headers: { 'Last-Event-ID': '1' } });
      await reader.end();
      expect(reader.summaries[1]).to.equal('line "two"');
    }));

  for (const [query, id] of [
    ['after=x', ''],
    ['after=-1', ''],
    ['after=1.', ''],
    ['after=1&after=2', ''],
    ['after=1&last=1', ''],
    ['last=x', ''],
    ['', 'x'],
    ['', '1.2.3'],
    ['', '9'.repeat(16)],
  ]) {
    it(`an event stream with the query "${query}" and the Last-Event-ID "${id}" is rejected`, () =>
      withStream(async ({ server }) => {
        const response = await server.request(`${path}?${query}`, {
          headers: id === '' ? {} : { 'Last-Event-ID': id! },
        });
        expect(response.status).to.equal(400);
        expect(response.headers['content-type']).to.contain('application/json');
      }));
  }

  it('an event stream responds with 204 to a client that has the result', () =>
    withStream(async ({ server, run }) => {
      await run.finish();
      expect(await server.request(path, { headers: { 'Last-Event-ID': 'end' } })).to.include({ status: 204, body: '' });
    }));

  it('HEAD returns the headers of an event stream without opening it, and 404 for an unknown run', () =>
    withStream(async ({ server, streams, run }) => {
      const head = await server.request(path, { method: 'HEAD' });
      expect(head).to.include({ status: 200, body: '' });
      expect(head.headers).to.include({ 'content-type': 'text/event-stream; charset=utf-8' });
      expect([streams.size, run.listeners]).to.deep.equal([0, 0]);
      expect((await server.request(path.replace('played', 'missing'))).status).to.equal(404);
    }));

  it('pages of allowed origins can read an event stream', () =>
    withStream(async ({ server, run }) => {
      await run.finish();
      expect((await server.request(path, { headers: { Origin: 'https://app.example.org' } })).headers).to.include({
        'access-control-allow-origin': 'https://app.example.org',
      });
    }));

  it('an event stream sends the output of a terminal line by line', () =>
    withStream(
      async ({ port, run }) => {
        run.print('one\r\ntw');
        const reader = await openStream(port, path);
        await reader.has('the first line', (messages) => messages.length === 2);
        run.print('o\r\nrest');
        await run.finish();
        await reader.end();
        expect(
          reader.messages.filter(({ event }) => event === 'line').map(({ data, id }) => [id, JSON.parse(data)]),
        ).to.deep.equal([
          ['1', 'one'],
          ['2', 'two'],
          ['3', 'rest'],
        ]);
      },
      { shape: 'raw' },
    ));

  it('an event stream reports removed lines as a gap and resumes after it', () =>
    withStream(
      async ({ port, run }) => {
        const line = `${'x'.repeat(99)}\n`;
        for (let at = 0; at < 40; at++) {
          run.print(line.repeat(100));
          await waitUntil('the log is written', () => run.log.written.byte === run.log.position.byte);
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
      },
      { limits: { segmentBytesMax: 64 << 10, tailBytesMax: 0 } },
    ));

  it('an event stream sends a heartbeat if it has nothing else to send', () =>
    withStream(
      async ({ port }) => {
        const reader = await openStream(port, path);
        await waitUntil('two heartbeats arrive', () => reader.text.split('\n:\n').length > 2);
        expect(reader.messages).to.have.length(1);
        reader.cut();
      },
      { limits: { heartbeatMs: 10 } },
    ));

  it('an event stream buffers little for a paused client and sends everything when the client resumes', () =>
    withStream(
      async ({ port, run, streams }) => {
        const reader = await openStream(port, path);
        await reader.has('the run is announced', isAnnounced);
        reader.answer.pause();
        const line = `${'x'.repeat(999)}\n`;
        for (let at = 0; at < 300; at++) {
          run.print(line.repeat(100));
          if (run.log.full) await run.log.drained();
        }
        await waitUntil('the log is written', () => run.log.written.byte === run.log.position.byte);
        expect(streams.waitingBytes).to.be.lessThan(2 << 20);
        reader.answer.resume();
        await run.finish();
        await reader.end();
        expect(reader.text.split('event: line').length - 1).to.equal(30_000);
      },
      { limits: { writeStallMs: 60_000 } },
    )).timeout(60_000);

  it('an event stream disconnects a client that accepts no data for too long', () =>
    withStream(
      async ({ port, run, streams }) => {
        const reader = await openStream(port, path);
        await reader.has('the run is announced', isAnnounced);
        reader.answer.pause();
        for (let at = 0; at < 200; at++) {
          run.print(`${'x'.repeat(999)}\n`.repeat(100));
          if (run.log.full) await run.log.drained();
        }
        await waitUntil('the reader is disconnected', () => streams.size === 0);
        expect(run.listeners).to.equal(0);
        reader.cut();
      },
      { limits: { writeStallMs: 100 } },
    )).timeout(60_000);

  it('an event stream detaches from its run when its client disconnects', () =>
    withStream(async ({ port, run, streams }) => {
      const readers = await Promise.all(Array.from({ length: 5 }, () => openStream(port, path)));
      await waitUntil('all streams are open', () => run.listeners === 5);
      for (const reader of readers) reader.cut();
      await waitUntil('no stream is open', () => streams.size === 0 && run.listeners === 0);
    }));

  it('an event stream is rejected if too many are open', () =>
    withStream(
      async ({ port, server }) => {
        const reader = await openStream(port, path);
        const response = await server.request(path);
        expect(response).to.include({ status: 503 });
        expect(response.json()).to.deep.equal({
          status: 503,
          code: 'not_ready',
          message: 'too many event streams are open; the limit is 1',
        });
        reader.cut();
      },
      { limits: { streamsMax: 1 } },
    ));

  it('an event stream ends when a reload of the configuration switches the API off', () =>
    withStream(
      async (fixture) => {
        const reader = await openStream(fixture.port, path);
        await reader.has('the run is announced', isAnnounced);
        fixture.api = false;
        await reader.end();
        expect((await fixture.server.request(path)).status).to.equal(501);
      },
      { limits: { heartbeatMs: 20 } },
    ));

  it('an event stream continues to the end of its run during shutdown, and new ones are rejected', () =>
    withStream(async ({ port, run, server, streams }) => {
      const reader = await openStream(port, path);
      await reader.has('the run is announced', isAnnounced);
      streams.drain();
      expect((await server.request(path)).json()).to.include({ status: 503, code: 'stopping' });
      await run.finish();
      await streams.empty();
      await reader.has('the result', isResult);
    }));
});

function isAnnounced(messages: readonly unknown[]): boolean {
  return messages.length > 0;
}
