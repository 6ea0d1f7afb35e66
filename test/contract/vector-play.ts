// Plays a case of the vectors: says what it says, and compares what is heard.

import { expect } from 'chai';
import type { TestGateway } from '../helpers/gateway.ts';
import { runProcessesLeft } from '../helpers/leftovers.ts';
import { soon, until } from '../helpers/until.ts';
import { openPeer, type Heard, type Opening, type Peer } from './vector-peers.ts';
import type { Case, Expected, ExpectedResult, Sent, VectorStep } from './vectors.ts';

const patienceMs = 5_000;

/** `opening` says where, and in which dialect; `each` is what is sent where a step says so. */
export async function play(gateway: TestGateway, spoken: Case, opening: Opening & { readonly each: Sent | undefined }): Promise<void> {
  const peer = await openPeer(gateway.url.replace('http', 'ws'), spoken, opening);
  const clock = { sentAt: performance.now() };
  const { each } = opening;
  try {
    for (const step of joined(spoken.steps)) await take(step, { gateway, peer, clock, each });
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
    const hear = (): Promise<Heard> => soon(`to hear ${JSON.stringify(step.expect).slice(0, 200)}`, peer.hear(), room);
    if ('output' in step.expect) await hearOutput(step.expect.output.repeat(step.expect.times ?? 1), hear); else compare(await hear(), step.expect);
    expect(performance.now() - sentAt).to.be.at.least(afterMs);
  }
}

/** Outputs that follow each other are one. */
export function joined(steps: readonly VectorStep[]): readonly VectorStep[] {
  const all: VectorStep[] = [];
  for (const step of steps) {
    const last = all.at(-1);
    const before = last !== undefined && 'expect' in last && 'output' in last.expect ? last.expect : undefined;
    if (before === undefined || !('expect' in step) || !('output' in step.expect)) all.push(step);
    else all[all.length - 1] = { ...step, expect: { output: before.output.repeat(before.times ?? 1) + step.expect.output.repeat(step.expect.times ?? 1) } };
  }
  return all;
}

/** Raw output may come in any pieces, but none is empty, and none goes beyond what is expected. */
async function hearOutput(expected: string, hear: () => Promise<Heard>): Promise<void> {
  for (let rest = expected; rest !== '';) {
    const heard = await hear();
    expect(heard).to.have.property('text').that.is.not.empty;
    const { text } = heard as { text: string };
    expect(rest.startsWith(text), `${JSON.stringify(text.slice(0, 200))} where ${JSON.stringify(rest.slice(0, 200))} is to come`).to.equal(true);
    rest = rest.slice(text.length);
  }
}

function compare(heard: Heard, expected: Exclude<Expected, { readonly output: string }>): void {
  if ('result' in expected) return compareResult(heard, expected.result);
  if ('close' in expected) return expect(heard).to.deep.equal({ close: expected.close, reason: '' }) && undefined;
  if ('pong' in expected) return expect(heard).to.deep.equal(expected) && undefined;
  const text = expected.text.repeat(expected.times ?? 1);
  if (text.length < 1000) return expect(heard).to.deep.equal({ text }) && undefined;
  // A mebibyte is no message for people.
  expect(heard).to.have.property('text').that.satisfies((found: string) => found === text);
}

export function compareResult(heard: Heard, expected: ExpectedResult): void {
  if ('status' in expected) return compareSettled(heard, expected);
  const { success, message } = expected;
  expect(heard).to.have.property('json').that.is.an('object').with.property('success', success);
  const { message: found, ...rest } = (heard as { json: { message?: string } }).json;
  expect(rest).to.deep.equal({ success });
  if (message === undefined || typeof message === 'string') expect(found).to.equal(message);
  else if ('contains' in message) expect(found).to.contain(message.contains);
  else expect(found).to.be.a('string').that.is.not.empty;
}

function compareSettled(heard: Heard, expected: Extract<ExpectedResult, { status: string }>): void {
  if (expected.status === 'fulfilled' || typeof expected.reason === 'string') return expect(heard).to.deep.equal({ json: expected }) && undefined;
  expect(heard).to.have.property('json').that.has.all.keys('status', 'reason').with.property('status', 'rejected');
  expect((heard as { json: { reason: string } }).json.reason).to.contain(expected.reason.contains);
}

/** Nothing of the case stays: no session, no process. */
export async function left(gateway: TestGateway): Promise<void> {
  await until('no session is open', async () => (await gateway.getJson('/api/v1/http/status') as { sessions: number }).sessions === 0);
  await until('no process is left', () => runProcessesLeft().length === 0);
}
