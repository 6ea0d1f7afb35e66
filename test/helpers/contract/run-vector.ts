// Runs a case of the wire vectors: sends its messages and compares the responses.

import { expect } from 'chai';
import type { TestGateway } from '../gateway/test-gateway.ts';
import { leftoverProcesses } from '../leftovers.ts';
import { waitUntil, withDeadline } from '../wait-until.ts';
import { type Opening, openVectorClient, type ReceivedMessage, type VectorClient } from './vector-clients.ts';
import type { Case, Expected, ExpectedResult, Sent, VectorStep } from './wire-vectors.ts';

const defaultWithinMs = 5_000;

/** Runs a case. `opening` selects endpoint and dialect. `each` is the message for steps that send "each". */
export async function runVector(
  gateway: TestGateway,
  vector: Case,
  opening: Opening & { readonly each: Sent | undefined },
): Promise<void> {
  const client = await openVectorClient(gateway.url.replace('http', 'ws'), vector, opening);
  const clock = { sentAt: performance.now() };
  const { each } = opening;
  try {
    for (const step of mergeOutputs(vector.steps)) await runStep(step, { gateway, client, clock, each });
    const { code, withinMs = defaultWithinMs } = vector.close;
    const last = vector.steps.some((step) => 'expect' in step && 'close' in step.expect)
      ? { close: code, reason: '' }
      : await withDeadline('the server sends Close', client.receive(), withinMs);
    expect(last).to.deep.equal({ close: code, reason: '' });
    await client.expectClose(code);
  } finally {
    client.destroy();
  }
}

interface StepContext {
  readonly gateway: TestGateway;
  readonly client: VectorClient;
  readonly clock: { sentAt: number };
  readonly each: Sent | undefined;
}

async function runStep(step: VectorStep, { gateway, client, clock, each }: StepContext): Promise<void> {
  if ('server' in step) return void gateway.gateway.stop();
  if ('expect' in step) return expectNext(step, client, clock.sentAt);
  const sent =
    'packet' in step
      ? step.packet
      : Array.from({ length: step.times ?? 1 }, () => (step.send === 'each' ? each! : step.send));
  clock.sentAt = performance.now();
  await client.send(sent);
}

async function expectNext(
  step: Extract<VectorStep, { expect: Expected }>,
  client: VectorClient,
  sentAt: number,
): Promise<void> {
  const { withinMs = defaultWithinMs, afterMs = 0 } = step;
  for (let count = 0; count < (step.times ?? 1); count++) {
    const remainingMs = Math.max(1, withinMs - (performance.now() - sentAt));
    const receive = (): Promise<ReceivedMessage> =>
      withDeadline(`the server sends ${JSON.stringify(step.expect).slice(0, 200)}`, client.receive(), remainingMs);
    if ('output' in step.expect) await expectOutput(step.expect.output.repeat(step.expect.times ?? 1), receive);
    else compare(await receive(), step.expect);
    expect(performance.now() - sentAt).to.be.at.least(afterMs);
  }
}

/** Merges outputs that follow each other. */
export function mergeOutputs(steps: readonly VectorStep[]): readonly VectorStep[] {
  const all: VectorStep[] = [];
  for (const step of steps) {
    const last = all.at(-1);
    const before = last !== undefined && 'expect' in last && 'output' in last.expect ? last.expect : undefined;
    if (before === undefined || !('expect' in step) || !('output' in step.expect)) all.push(step);
    else
      all[all.length - 1] = {
        ...step,
        expect: { output: before.output.repeat(before.times ?? 1) + step.expect.output.repeat(step.expect.times ?? 1) },
      };
  }
  return all;
}

/** Receives raw output, which may arrive in any pieces. No piece may be empty or exceed what is expected. */
async function expectOutput(expected: string, receive: () => Promise<ReceivedMessage>): Promise<void> {
  for (let rest = expected; rest !== ''; ) {
    const received = await receive();
    expect(received).to.have.property('text').that.is.not.empty;
    const { text } = received as { text: string };
    expect(
      rest.startsWith(text),
      `${JSON.stringify(text.slice(0, 200))} where ${JSON.stringify(rest.slice(0, 200))} is expected`,
    ).to.equal(true);
    rest = rest.slice(text.length);
  }
}

function compare(received: ReceivedMessage, expected: Exclude<Expected, { readonly output: string }>): void {
  if ('result' in expected) return compareResult(received, expected.result);
  if ('close' in expected) return expect(received).to.deep.equal({ close: expected.close, reason: '' }) && undefined;
  if ('pong' in expected) return expect(received).to.deep.equal(expected) && undefined;
  const text = expected.text.repeat(expected.times ?? 1);
  if (text.length < 1000) return expect(received).to.deep.equal({ text }) && undefined;
  // A failed assertion must not print a mebibyte.
  expect(received)
    .to.have.property('text')
    .that.satisfies((found: string) => found === text);
}

export function compareResult(received: ReceivedMessage, expected: ExpectedResult): void {
  if ('status' in expected) return compareSettled(received, expected);
  const { success, message } = expected;
  expect(received).to.have.property('json').that.is.an('object').with.property('success', success);
  const { message: found, ...rest } = (received as { json: { message?: string } }).json;
  expect(rest).to.deep.equal({ success });
  if (message === undefined || typeof message === 'string') expect(found).to.equal(message);
  else if ('contains' in message) expect(found).to.contain(message.contains);
  else expect(found).to.be.a('string').that.is.not.empty;
}

function compareSettled(received: ReceivedMessage, expected: Extract<ExpectedResult, { status: string }>): void {
  if (expected.status === 'fulfilled' || typeof expected.reason === 'string')
    return expect(received).to.deep.equal({ json: expected }) && undefined;
  expect(received).to.have.property('json').that.has.all.keys('status', 'reason').with.property('status', 'rejected');
  expect((received as { json: { reason: string } }).json.reason).to.contain(expected.reason.contains);
}

/** Waits until no session and no process of the case is left. */
export async function waitUntilIdle(gateway: TestGateway): Promise<void> {
  await waitUntil(
    'no session is open',
    async () => ((await gateway.getJson('/api/v1/http/status')) as { sessions: number }).sessions === 0,
  );
  await waitUntil('no process is left', () => leftoverProcesses().length === 0);
}
