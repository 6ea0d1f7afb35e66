// The gateway, held against test/vectors/v1.json: every situation of the documented protocol, frame by frame.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { sessionEndings } from '../../protocol/close-codes.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { runProcessesLeft } from '../helpers/leftovers.ts';
import { soon, until } from '../helpers/until.ts';
import { openPeer, type Heard, type Peer } from './vector-peers.ts';
import { configurationOf, readVectors, type Case, type Expected, type Sent, type VectorStep } from './vectors.ts';

const vectors = readVectors('v1.json');
const yaml = configurationOf(vectors, fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url)));
const patienceMs = 5_000;

describe('the vectors of v1', () => {
  let shared: TestGateway;
  before(async () => { shared = await startTestGateway(yaml); });
  after(() => shared.stop());

  it('have a case for every way a session can end', () => {
    // `refused` has texts of the call's own, and nobody can leave by `detached` in v1; the vectors know neither.
    const known = Object.keys(sessionEndings).filter((name) => name !== 'refused' && name !== 'detached');
    expect([...new Set(vectors.cases.map(({ situation }) => situation))].sort()).to.deep.equal([...known, 'gone'].sort());
  });

  it('set the codes that the table of endings has', () => {
    for (const { name, situation, close } of vectors.cases) {
      if (situation !== 'gone') expect(sessionEndings[situation as keyof typeof sessionEndings].closeCode, name).to.equal(close.code);
    }
  });

  for (const spoken of vectors.cases) {
    for (const [at, each] of (spoken.each ?? [undefined]).entries()) {
      it(`${spoken.situation}: ${spoken.name}${spoken.each === undefined ? '' : `, ${at + 1} of ${spoken.each.length}`}`, async () => {
        const stops = spoken.steps.some((step) => 'server' in step);
        const gateway = stops ? await startTestGateway(yaml) : shared;
        try {
          await play(gateway, spoken, each);
          if (!stops) await left(gateway);
        } finally {
          if (stops) await gateway.stop();
        }
      });
    }
  }
});

async function play(gateway: TestGateway, spoken: Case, each: Sent | undefined): Promise<void> {
  const peer = await openPeer(gateway.url.replace('http', 'ws') + vectors.endpoint, spoken);
  const clock = { sentAt: performance.now() };
  try {
    for (const step of spoken.steps) await take(step, { gateway, peer, clock, each });
    const { code, withinMs = patienceMs } = spoken.close;
    const last = spoken.steps.some((step) => 'expect' in step && 'close' in step.expect) ? { close: code, reason: '' } : await soon('Close', peer.hear(), withinMs);
    expect(last).to.deep.equal({ close: code, reason: '' });
    await peer.finish(code);
  } finally {
    peer.destroy();
  }
}

interface Stage {
  readonly gateway: TestGateway;
  readonly peer: Peer;
  readonly clock: { sentAt: number };
  readonly each: Sent | undefined;
}

async function take(step: VectorStep, { gateway, peer, clock, each }: Stage): Promise<void> {
  if ('server' in step) return void gateway.gateway.stop();
  if ('expect' in step) return expectNext(step, peer, clock.sentAt);
  const sent = 'packet' in step ? step.packet : Array.from({ length: step.times ?? 1 }, () => (step.send === 'each' ? each! : step.send));
  clock.sentAt = performance.now();
  await peer.send(sent);
}

async function expectNext(step: Extract<VectorStep, { expect: Expected }>, peer: Peer, sentAt: number): Promise<void> {
  const { withinMs = patienceMs, afterMs = 0 } = step;
  for (let count = 0; count < (step.times ?? 1); count++) {
    const room = Math.max(1, withinMs - (performance.now() - sentAt));
    const heard = await soon(`to hear ${JSON.stringify(step.expect)}`, peer.hear(), room);
    compare(heard, step.expect);
    expect(performance.now() - sentAt).to.be.at.least(afterMs);
  }
}

function compare(heard: Heard, expected: Expected): void {
  if ('result' in expected) return compareResult(heard, expected.result);
  if ('close' in expected) return expect(heard).to.deep.equal({ close: expected.close, reason: '' }) && undefined;
  if ('pong' in expected) return expect(heard).to.deep.equal(expected) && undefined;
  const text = expected.text.repeat(expected.times ?? 1);
  if (text.length < 1000) return expect(heard).to.deep.equal({ text }) && undefined;
  // A mebibyte is no message for people.
  expect(heard).to.have.property('text').that.satisfies((found: string) => found === text);
}

function compareResult(heard: Heard, { success, message }: Extract<Expected, { result: unknown }>['result']): void {
  expect(heard).to.have.property('json').that.is.an('object').with.property('success', success);
  const { message: found, ...rest } = (heard as { json: { message?: string } }).json;
  expect(rest).to.deep.equal({ success });
  if (message === undefined || typeof message === 'string') expect(found).to.equal(message);
  else if ('contains' in message) expect(found).to.contain(message.contains);
  else expect(found).to.be.a('string').that.is.not.empty;
}

/** Nothing of the case stays: no session, no process. */
async function left(gateway: TestGateway): Promise<void> {
  await until('no session is open', async () => (await gateway.getJson('/api/v1/http/status') as { sessions: number }).sessions === 0);
  await until('no process is left', () => runProcessesLeft().length === 0);
}
