// A case of the vectors, said in requests: the call is posted, input is posted verbatim, and the status is asked for until it says what is expected.

import { expect } from 'chai';
import type { TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { compareResult, joined } from './vector-play.ts';
import { messageOf, type Case, type Sent, type VectorStep } from './vectors.ts';

interface Status {
  readonly buffer?: string;
  readonly result: { readonly status: string };
}

const linesMax = 1000;
const bufferMax = 60_000;

/** The call comes first, and is one; all that follows is input, signals, output and the result. */
export function sayable({ steps, each = [], situation }: Case): boolean {
  if (!['done', 'unknown-call', 'wrong-params', 'scope', 'fault'].includes(situation)) return false;
  const [first, ...rest] = steps.flatMap(flat);
  if (first === undefined || !('send' in first)) return false;
  const opening = first.send === 'each' ? each : [first.send];
  return opening.every(isCall) && rest.every((step) => ('send' in step ? step.send !== 'each' && isInput(step.send) : 'expect' in step && isTold(step.expect)));
}

export async function playByRequests(gateway: TestGateway, { steps }: Case, each: Sent | undefined): Promise<void> {
  const post = (path: string, body?: string | Buffer): Promise<Response> =>
    fetch(`${gateway.url}/api/v1/pow/${path}`, { method: 'POST', headers: { connection: 'close' }, ...(body !== undefined && { body: body as string }) });
  let id = '';
  let output = '';
  for (const step of joined(steps.flatMap(flat))) {
    if ('send' in step) {
      const sent = step.send === 'each' ? each! : step.send;
      if (id === '') id = await started(await post('new', bodyOf(sent)));
      else for (let i = 0; i < (step.times ?? 1); i++) await said(sent, (route, body) => post(`${route}/${id}`, body));
    } else if ('expect' in step) {
      const status = async (): Promise<Status> => (await fetch(`${gateway.url}/api/v1/pow/status/${id}`, { headers: { connection: 'close' } })).json() as Promise<Status>;
      if ('output' in step.expect) {
        output += step.expect.output.repeat(step.expect.times ?? 1);
        await until(`the buffer is ${JSON.stringify(output.slice(0, 200))}`, async () => (await status()).buffer === bufferOf(output));
      } else if ('result' in step.expect) {
        await until('there is a result', async () => (await status()).result.status !== 'pending');
        const { buffer, result } = await status();
        compareResult({ json: result }, step.expect.result);
        if (output !== '') expect(buffer).to.equal(bufferOf(output));
      }
    }
  }
}

function flat(step: VectorStep): readonly VectorStep[] {
  return 'packet' in step ? step.packet.map((send) => ({ send })) : [step];
}

function bodyOf(sent: Sent): Buffer {
  const message = messageOf(sent);
  if (message === undefined || !('data' in message)) throw new Error(`no request says ${JSON.stringify(sent)}`);
  return Buffer.from(message.data);
}

/** Of 122 random bits, version 4 (RFC 9562, 5.4). */
async function started(response: Response): Promise<string> {
  expect(response.status).to.equal(200);
  const id = (await response.json()) as string;
  expect(id).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  return id;
}

async function said(sent: Sent, post: (route: string, body?: string | Buffer) => Promise<Response>): Promise<void> {
  if ('text' in sent) {
    const { status } = await post('input', Buffer.from(sent.text.repeat(sent.times ?? 1)));
    // After its end, input is an error here, and dropped there.
    expect(status).to.be.oneOf([200, 500]);
    return;
  }
  const { signal } = ('json' in sent ? sent.json : {}) as { signal?: string };
  expect((await post(signal === 'close' ? 'closeInput' : 'cancel')).status).to.equal(200);
}

function isCall(sent: Sent): boolean {
  const message = messageOf(sent);
  return message !== undefined && 'data' in message && typeof message.data !== 'string';
}

/** Text that a buffer of lines can show as it is. */
function isInput(sent: Sent): boolean {
  if ('text' in sent) return sent.text.length * (sent.times ?? 1) < bufferMax;
  return 'json' in sent && ['close', 'cancel'].includes((sent.json as { signal?: string }).signal ?? '');
}

function isTold(expected: Extract<VectorStep, { expect: unknown }>['expect']): boolean {
  if ('result' in expected) return true;
  return 'output' in expected && expected.output.length * (expected.times ?? 1) < bufferMax && expected.output.split('\n').length < linesMax;
}

/** The last lines, without terminators, one that has only begun included. */
function bufferOf(output: string): string {
  const lines = output.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.replace(/\r$/, '')).join('\n');
}
