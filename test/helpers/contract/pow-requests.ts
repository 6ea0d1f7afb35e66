// Runs a case of the wire vectors over the REST API: posts the call and the input, then polls the status.

import { expect } from 'chai';
import type { TestGateway } from '../gateway/test-gateway.ts';
import { waitUntil } from '../wait-until.ts';
import { compareResult, mergeOutputs } from './run-vector.ts';
import { type Case, messageToSend, type Sent, type VectorStep } from './wire-vectors.ts';

interface Status {
  readonly buffer?: string;
  readonly result: { readonly status: string };
}

const linesMax = 1000;
const bufferMax = 60_000;

/**
 * Returns true if the REST API can express the case: exactly one call first, then only input, signals, output and the
 * result.
 */
export function isExpressibleInPow({ steps, each = [], situation }: Case): boolean {
  if (!['done', 'unknown-call', 'wrong-params', 'scope', 'fault'].includes(situation)) return false;
  const [first, ...rest] = steps.flatMap(splitPacket);
  if (first === undefined || !('send' in first)) return false;
  const opening = first.send === 'each' ? each : [first.send];
  return (
    opening.every(isCall) &&
    rest.every((step) =>
      'send' in step ? step.send !== 'each' && isInput(step.send) : 'expect' in step && isShownByStatus(step.expect),
    )
  );
}

export async function runVectorByRequests(
  gateway: TestGateway,
  { steps }: Case,
  each: Sent | undefined,
): Promise<void> {
  const post = (path: string, body?: string | Buffer): Promise<Response> =>
    fetch(`${gateway.url}/api/v1/pow/${path}`, {
      method: 'POST',
      headers: { connection: 'close' },
      ...(body !== undefined && { body: body as string }),
    });
  let id = '';
  let output = '';
  for (const step of mergeOutputs(steps.flatMap(splitPacket))) {
    if ('send' in step) {
      const sent = step.send === 'each' ? each! : step.send;
      if (id === '') id = await readRunId(await post('new', encodeRequestBody(sent)));
      else
        for (let i = 0; i < (step.times ?? 1); i++)
          await sendMessage(sent, (route, body) => post(`${route}/${id}`, body));
    } else if ('expect' in step) {
      const status = async (): Promise<Status> =>
        (
          await fetch(`${gateway.url}/api/v1/pow/status/${id}`, { headers: { connection: 'close' } })
        ).json() as Promise<Status>;
      if ('output' in step.expect) {
        output += step.expect.output.repeat(step.expect.times ?? 1);
        await waitUntil(
          `the buffer is ${JSON.stringify(output.slice(0, 200))}`,
          async () => (await status()).buffer === expectedBuffer(output),
        );
      } else if ('result' in step.expect) {
        await waitUntil('the run has a result', async () => (await status()).result.status !== 'pending');
        const { buffer, result } = await status();
        compareResult({ json: result }, step.expect.result);
        if (output !== '') expect(buffer).to.equal(expectedBuffer(output));
      }
    }
  }
}

function splitPacket(step: VectorStep): readonly VectorStep[] {
  return 'packet' in step ? step.packet.map((send) => ({ send })) : [step];
}

function encodeRequestBody(sent: Sent): Buffer {
  const message = messageToSend(sent);
  if (message === undefined || !('data' in message)) throw new Error(`no request can send ${JSON.stringify(sent)}`);
  return Buffer.from(message.data);
}

/** Reads the run id of a response: 122 random bits as a UUID of version 4 (RFC 9562, section 5.4). */
async function readRunId(response: Response): Promise<string> {
  expect(response.status).to.equal(200);
  const id = (await response.json()) as string;
  expect(id).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  return id;
}

async function sendMessage(
  sent: Sent,
  post: (route: string, body?: string | Buffer) => Promise<Response>,
): Promise<void> {
  if ('text' in sent) {
    const { status } = await post('input', Buffer.from(sent.text.repeat(sent.times ?? 1)));
    // This API answers input after the end of the input with 500. The websocket ignores such input.
    expect(status).to.be.oneOf([200, 500]);
    return;
  }
  const { signal } = ('json' in sent ? sent.json : {}) as { signal?: string };
  expect((await post(signal === 'close' ? 'closeInput' : 'cancel')).status).to.equal(200);
}

function isCall(sent: Sent): boolean {
  const message = messageToSend(sent);
  return message !== undefined && 'data' in message && typeof message.data !== 'string';
}

/** Returns true for text that fits into the status buffer, for the end of input and for a cancel. */
function isInput(sent: Sent): boolean {
  if ('text' in sent) return sent.text.length * (sent.times ?? 1) < bufferMax;
  return 'json' in sent && ['close', 'cancel'].includes((sent.json as { signal?: string }).signal ?? '');
}

function isShownByStatus(expected: Extract<VectorStep, { expect: unknown }>['expect']): boolean {
  if ('result' in expected) return true;
  return (
    'output' in expected &&
    expected.output.length * (expected.times ?? 1) < bufferMax &&
    expected.output.split('\n').length < linesMax
  );
}

/** Returns the status buffer for this output: all lines without terminators, joined by newlines. */
function expectedBuffer(output: string): string {
  const lines = output.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.replace(/\r$/, '')).join('\n');
}
