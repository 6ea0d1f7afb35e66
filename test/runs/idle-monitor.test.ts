// Tests the events of silent runs: real programs behind a real gateway, and thousands of simulated runs.

import { expect } from 'chai';
import { IdleMonitor, type MonitoredRun } from '../../server/runs/idle-monitor.ts';
import { nullLogger } from '../../server/support/logger.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient, type WsClient } from '../helpers/websocket/ws-client.ts';

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
  progress:
    process:
      - python3
      - -uc
      - |
        import select, sys
        n = 0
        while True:
            sys.stdout.write(f"{n} %\\r")
            sys.stdout.flush()
            n += 1
            if select.select([sys.stdin], [], [], 0.005)[0]: break
        print("done")
  lines: { process: [sh, -c, 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); printf "%s " $i; echo; sleep 0.005; done'] }
  long: { process: [sh, -c, 'printf %0100d 7; read x'] }
  twice: { process: [sh, -c, 'printf a; read x; printf b; read y'] }
`;

type Event = Readonly<Record<string, unknown>> & { readonly type: string };

describe('a silent run', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  async function start(call: string): Promise<WsClient> {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call });
    return client;
  }

  /** Reads events up to the first one of this type, and returns all of them. */
  async function eventsTo(client: WsClient, type: string): Promise<readonly Event[]> {
    const events: Event[] = [];
    for (;;) {
      const message = await client.next();
      if ('closed' in message) throw new Error(`it ended without "${type}": ${JSON.stringify(events)}`);
      if (!('json' in message) || message.json['event'] === undefined) continue;
      events.push(message.json['event'] as Event);
      if (events.at(-1)!.type === type) return events;
    }
  }

  for (const call of ['ask', 'ask-python', 'ask-terminal'])
    it(`a silent run emits its prompt, then that it waits for input: ${call}`, async () => {
      const client = await start(call);
      const events = await eventsTo(client, 'awaiting-input');
      expect(events.map(({ type }) => type)).to.deep.equal(['partial', 'awaiting-input']);
      expect(events[0]).to.include({ text: 'Name? ' });
      client.sendText(call === 'ask-terminal' ? 'Ada\r' : 'Ada');
      if (call === 'ask') {
        // The run emits the event again although it printed no new prompt.
        expect((await eventsTo(client, 'awaiting-input')).map(({ type }) => type)).to.deep.equal(['awaiting-input']);
        client.sendText('Bob');
      }
      const { json } = await client.readToEnd();
      expect(json.at(-1)).to.include({ success: true });
    });

  it('a run emits again that it waits for input when it has read input and waits again', async () => {
    const client = await start('copy');
    await eventsTo(client, 'awaiting-input');
    for (const text of ['one', 'two']) {
      client.sendText(text);
      expect((await eventsTo(client, 'awaiting-input')).map(({ type }) => type)).to.deep.equal(['awaiting-input']);
    }
    client.sendControl({ signal: 'close' });
    await client.readToEnd();
  });

  for (const call of ['sleep', 'busy'])
    it(`a silent run emits once that it is stalled and never that it waits for input: ${call}`, async () => {
      const client = await start(call);
      const events = await eventsTo(client, 'stalled');
      expect(events.map(({ type }) => type)).to.deep.equal(['partial', 'stalled']);
      expect(events[1]!['silentMs']).to.be.at.least(300);
      client.sendControl({ signal: 'cancel' });
      const { json } = await client.readToEnd();
      expect(
        json.filter((message) => 'event' in message).map((message) => (message['event'] as Event).type),
      ).to.deep.equal(['unterminated']);
    });

  it('a run never emits that it is stalled if its call has disabled this', async () => {
    const { json } = await (await start('never')).readToEnd();
    expect(json.flatMap((message) => ('event' in message ? [(message['event'] as Event).type] : []))).to.deep.equal([
      'partial',
    ]);
  });

  it('a silent run emits only the end of a long partial line', async () => {
    const client = await start('long');
    const [partial] = await eventsTo(client, 'partial');
    expect(partial).to.include({ text: `${'0'.repeat(63)}7`, stream: 'stdout' });
    client.sendText('');
    await client.readToEnd();
  });

  it('T3: a run that redraws a line without a pause emits what a terminal shows of it', async () => {
    const client = await start('progress');
    expect((await eventsTo(client, 'partial')).at(-1)!['text']).to.match(/^\d+ %$/);
    expect((await eventsTo(client, 'partial')).at(-1)!['text']).to.match(/^\d+ %$/);
    client.sendControl({ signal: 'close' });
    const { texts } = await client.readToEnd();
    expect(texts.at(-1)).to.match(/^0 %\r1 %\r[^]*\rdone$/);
  });

  it('T3: a run that prints whole lines without a pause emits no partial line', async () => {
    const { json } = await (await start('lines')).readToEnd();
    expect(json.filter((message) => 'event' in message)).to.deep.equal([]);
  });

  it('a silent run emits its partial line again after the line has grown', async () => {
    const client = await start('twice');
    expect((await eventsTo(client, 'awaiting-input'))[0]).to.include({ type: 'partial', text: 'a' });
    client.sendText('');
    expect((await eventsTo(client, 'awaiting-input'))[0]).to.include({ type: 'partial', text: 'ab' });
    client.sendText('');
    await client.readToEnd();
  });
});

/** A run whose output and input are simulated by the test. */
class SimulatedRun implements MonitoredRun {
  readonly id = 'simulated';
  readonly stallAfterMs: number;
  readonly emitted: string[] = [];
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
    partialLine: () => (this.line === '' ? undefined : { stream: 'stdout' as const, text: this.line }),
    emit: (type: string) => {
      this.emitted.push(type);
    },
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

describe('the monitoring of many runs', () => {
  const limits = { partialMs: 20, partialBytesMax: 100 };

  it('the monitor probes a program that does not wait for input at increasing intervals', async () => {
    let probes = 0;
    const monitor = new IdleMonitor({
      limits: () => limits,
      isWaitingForInput: async () => {
        probes += 1;
        return false;
      },
      log: nullLogger,
    });
    const run = new SimulatedRun(640);
    const handle = monitor.add(run);
    await waitUntil('the run has stalled', () => run.emitted.includes('stalled'));
    handle.end();
    // The delay starts at 20 ms and doubles: probes at 0, 20, 60, 140, 300 and 620 ms.
    expect(probes).to.be.within(2, 7);
    expect(run.watched).to.equal(false);
  });

  it('the monitor does not probe while input is pending', async () => {
    let probes = 0;
    const monitor = new IdleMonitor({
      limits: () => limits,
      isWaitingForInput: async () => {
        probes += 1;
        return true;
      },
      log: nullLogger,
    });
    const run = new SimulatedRun(100);
    run.received = 5;
    const handle = monitor.add(run);
    await waitUntil('the run has stalled', () => run.emitted.includes('stalled'));
    expect([probes, run.emitted]).to.deep.equal([0, ['stalled']]);
    run.taken = 5;
    handle.wake();
    await waitUntil('the run is known to wait for input', () => run.emitted.includes('awaiting-input'));
    handle.end();
  });

  it('the monitor ignores the result of a probe that began before the last output', async () => {
    let answer: (waits: boolean) => void = () => {};
    const monitor = new IdleMonitor({
      limits: () => limits,
      isWaitingForInput: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      log: nullLogger,
    });
    const run = new SimulatedRun();
    const handle = monitor.add(run);
    const probes = async (): Promise<void> => {
      const before = answer;
      await waitUntil('the monitor probes', () => answer !== before);
    };
    await probes();
    run.print('more');
    answer(true);
    await probes();
    expect(run.emitted.filter((type) => type === 'awaiting-input')).to.deep.equal([]);
    answer(true);
    await waitUntil('the run is known to wait for input', () => run.emitted.includes('awaiting-input'));
    handle.end();
  });

  it('the monitor needs one timer and at most two concurrent probes for thousands of runs', async () => {
    let asking = 0;
    let most = 0;
    const isWaitingForInput = async (): Promise<boolean> => {
      most = Math.max(most, ++asking);
      await new Promise((resolve) => setImmediate(resolve));
      asking -= 1;
      return true;
    };
    const monitor = new IdleMonitor({ limits: () => limits, isWaitingForInput, log: nullLogger });
    const runs = Array.from({ length: 3_000 }, () => new SimulatedRun());
    const { made, of: watches } = countTimers(() => runs.map((run) => monitor.add(run)));
    expect(made).to.equal(1);
    for (const run of runs) run.print('x');
    await waitUntil('every run has reported', () => runs.every(({ emitted }) => emitted.includes('awaiting-input')));
    expect(most).to.equal(2);
    expect(runs.every(({ emitted }) => emitted.join() === 'partial,awaiting-input')).to.equal(true);
    for (const watch of watches) watch.end();
    expect(runs.some(({ watched }) => watched)).to.equal(false);
  });
});

/** Runs `work`. Returns its result and the number of timers that it creates. */
function countTimers<T>(work: () => T): { readonly made: number; readonly of: T } {
  const { setTimeout: real } = globalThis;
  let made = 0;
  globalThis.setTimeout = Object.assign((...args: Parameters<typeof real>) => {
    made += 1;
    return real(...args);
  }, real) as typeof real;
  try {
    return {
      of: work(),
      get made() {
        return made;
      },
    };
  } finally {
    globalThis.setTimeout = real;
  }
}
