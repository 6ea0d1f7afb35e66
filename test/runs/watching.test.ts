// What is told of runs that go on in silence: of real programs behind a real gateway, and of thousands of runs that are played.

import { expect } from 'chai';
import { Watching, type Watched } from '../../server/runs/watching.ts';
import { silent } from '../../server/support/logger.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { wsClient, type WsClient } from '../helpers/ws-client.ts';

const yaml = `
limits: { partialMs: 30ms, partialBytesMax: 64 }
calls:
  ask: { process: [bash, -c, 'printf "Name? "; read x; echo "hi $x"; read y; echo "and $y"'] }
  ask-python: { process: [python3, -c, 'print("hi " + input("Name? "))'] }
  ask-terminal: { terminal: [bash, -c, 'read -p "Name? " x; echo "hi $x"'] }
  copy: { process: [cat] }
  sleep: { process: [sh, -c, 'printf begun; exec sleep 60'], stallAfter: 300ms, stop: { grace: 0s } }
  busy: { process: [bash, -c, 'printf begun; while :; do :; done'], stallAfter: 300ms, stop: { grace: 0s } }
  never: { process: [sh, -c, 'printf begun; sleep 0.4; echo; exit 0'], stallAfter: 0 }
  long: { process: [sh, -c, 'printf %0100d 7; read x'] }
  twice: { process: [sh, -c, 'printf a; read x; printf b; read y'] }
`;

type Event = Readonly<Record<string, unknown>> & { readonly type: string };

describe('a run that goes on in silence', function () {
  this.timeout(20_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());

  async function start(call: string): Promise<WsClient> {
    const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
    client.control({ call });
    return client;
  }

  /** Reads on until an event of this type, and gives all events up to it. */
  async function eventsTo(client: WsClient, type: string): Promise<readonly Event[]> {
    const events: Event[] = [];
    for (;;) {
      const said = await client.next();
      if ('closed' in said) throw new Error(`it ended without "${type}": ${JSON.stringify(events)}`);
      if (!('json' in said) || said.json['event'] === undefined) continue;
      events.push(said.json['event'] as Event);
      if (events.at(-1)!.type === type) return events;
    }
  }

  for (const call of ['ask', 'ask-python', 'ask-terminal']) it(`is told to wait for input, and what it asks: ${call}`, async () => {
    const client = await start(call);
    const events = await eventsTo(client, 'awaiting-input');
    expect(events.map(({ type }) => type)).to.deep.equal(['partial', 'awaiting-input']);
    expect(events[0]).to.include({ text: 'Name? ' });
    client.text(call === 'ask-terminal' ? 'Ada\r' : 'Ada');
    if (call === 'ask') {
      // Again, although nothing was asked that could be seen.
      expect((await eventsTo(client, 'awaiting-input')).map(({ type }) => type)).to.deep.equal(['awaiting-input']);
      client.text('Bob');
    }
    const { json } = await client.rest();
    expect(json.at(-1)).to.include({ success: true });
  });

  it('is told to wait again when it has taken what it was given', async () => {
    const client = await start('copy');
    await eventsTo(client, 'awaiting-input');
    for (const text of ['one', 'two']) {
      client.text(text);
      expect((await eventsTo(client, 'awaiting-input')).map(({ type }) => type)).to.deep.equal(['awaiting-input']);
    }
    client.control({ signal: 'close' });
    await client.rest();
  });

  for (const call of ['sleep', 'busy']) it(`is told to have stalled, once, and never to wait for input: ${call}`, async () => {
    const client = await start(call);
    const events = await eventsTo(client, 'stalled');
    expect(events.map(({ type }) => type)).to.deep.equal(['partial', 'stalled']);
    expect(events[1]!['silentMs']).to.be.at.least(300);
    client.control({ signal: 'cancel' });
    const { json } = await client.rest();
    expect(json.filter((message) => 'event' in message).map((message) => (message['event'] as Event).type)).to.deep.equal(['unterminated']);
  });

  it('is not told to have stalled where its call says never', async () => {
    const { json } = await (await start('never')).rest();
    expect(json.flatMap((message) => ('event' in message ? [(message['event'] as Event).type] : []))).to.deep.equal(['partial']);
  });

  it('tells the end of an unfinished line that is long', async () => {
    const client = await start('long');
    const [partial] = await eventsTo(client, 'partial');
    expect(partial).to.include({ text: `${'0'.repeat(63)}7`, stream: 'stdout' });
    client.text('');
    await client.rest();
  });

  it('tells an unfinished line again when it has grown', async () => {
    const client = await start('twice');
    expect((await eventsTo(client, 'awaiting-input'))[0]).to.include({ type: 'partial', text: 'a' });
    client.text('');
    expect((await eventsTo(client, 'awaiting-input'))[0]).to.include({ type: 'partial', text: 'ab' });
    client.text('');
    await client.rest();
  });
});

/** A run whose output and input the test plays. */
class Played implements Watched {
  readonly id = 'played';
  readonly stallAfterMs: number;
  readonly told: string[] = [];
  received = 0;
  taken = 0;
  line = '';
  #wakes = new Set<() => void>();

  constructor(stallAfterMs = 0) {
    this.stallAfterMs = stallAfterMs;
  }

  get watched(): boolean {
    return this.#wakes.size > 0;
  }

  readonly log = {
    lastWriteMs: performance.now(),
    unfinished: () => (this.line === '' ? undefined : { stream: 'stdout' as const, text: this.line }),
    emit: (type: string) => { this.told.push(type); },
    watch: (wake: () => void) => {
      this.#wakes.add(wake);
      return () => this.#wakes.delete(wake);
    },
  };

  input() {
    return { received: this.received, taken: this.taken };
  }

  print(line: string): void {
    this.line = line;
    this.log.lastWriteMs = performance.now();
    for (const wake of this.#wakes) wake();
  }
}

describe('looking after many runs', () => {
  const limits = { partialMs: 20, partialBytesMax: 100 };

  it('asks less and less often whether a program waits that does not', async () => {
    let asked = 0;
    const watching = new Watching({ limits: () => limits, awaitsInput: async () => { asked += 1; return false; }, log: silent });
    const run = new Played(640);
    const watch = watching.add(run);
    await until('it has stalled', () => run.told.includes('stalled'));
    watch.end();
    // 20 ms, twice that, and so on: 0, 20, 60, 140, 300, 620.
    expect(asked).to.be.within(2, 7);
    expect(run.watched).to.equal(false);
  });

  it('does not ask while there is input that was not taken', async () => {
    let asked = 0;
    const watching = new Watching({ limits: () => limits, awaitsInput: async () => { asked += 1; return true; }, log: silent });
    const run = new Played(100);
    run.received = 5;
    const watch = watching.add(run);
    await until('it has stalled', () => run.told.includes('stalled'));
    expect([asked, run.told]).to.deep.equal([0, ['stalled']]);
    run.taken = 5;
    watch.wake();
    await until('it is known to wait', () => run.told.includes('awaiting-input'));
    watch.end();
  });

  it('takes nothing for known that was seen before the last output', async () => {
    let answer: (waits: boolean) => void = () => {};
    const watching = new Watching({ limits: () => limits, awaitsInput: () => new Promise((resolve) => { answer = resolve; }), log: silent });
    const run = new Played();
    const watch = watching.add(run);
    const asked = async (): Promise<void> => {
      const before = answer;
      await until('it is asked', () => answer !== before);
    };
    await asked();
    run.print('more');
    answer(true);
    await asked();
    expect(run.told.filter((type) => type === 'awaiting-input')).to.deep.equal([]);
    answer(true);
    await until('it is known to wait', () => run.told.includes('awaiting-input'));
    watch.end();
  });

  it('is one timer and two questions at a time for thousands of them, and none when they have ended', async () => {
    let asking = 0;
    let most = 0;
    const awaitsInput = async (): Promise<boolean> => {
      most = Math.max(most, ++asking);
      await new Promise((resolve) => setImmediate(resolve));
      asking -= 1;
      return true;
    };
    const watching = new Watching({ limits: () => limits, awaitsInput, log: silent });
    const runs = Array.from({ length: 3_000 }, () => new Played());
    const { made, of: watches } = timersOf(() => runs.map((run) => watching.add(run)));
    expect(made).to.equal(1);
    for (const run of runs) run.print('x');
    await until('all are told', () => runs.every(({ told }) => told.includes('awaiting-input')));
    expect(most).to.equal(2);
    expect(runs.every(({ told }) => told.join() === 'partial,awaiting-input')).to.equal(true);
    for (const watch of watches) watch.end();
    expect(runs.some(({ watched }) => watched)).to.equal(false);
  });
});

/** How many timers are made by `work`. */
function timersOf<T>(work: () => T): { readonly made: number; readonly of: T } {
  const { setTimeout: real } = globalThis;
  let made = 0;
  globalThis.setTimeout = Object.assign((...args: Parameters<typeof real>) => { made += 1; return real(...args); }, real) as typeof real;
  try {
    return { of: work(), get made() { return made; } };
  } finally {
    globalThis.setTimeout = real;
  }
}
