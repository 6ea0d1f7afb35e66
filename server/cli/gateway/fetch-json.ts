// Sends one GET request to the gateway's JSON API, for JSON or for bytes.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { endpoint } from '../../../protocol/client/client.ts';
import type { GatewayAddress } from './address.ts';
import { describeConnectError, describeResponse, type HttpAnswer } from './connect-errors.ts';

export type FetchResult<T> = { readonly body: T } | { readonly error: readonly string[]; readonly status?: number };

const responseTimeoutMs = 30_000;
const bodyBytesMax = 64 << 20;

/**
 * Requests `path`, which is relative to `/api/v1/http/`. Every successful response of a gateway has `fields` in its
 * body; a response without them is an error. Never rejects: errors are returned as text.
 */
export async function fetchJson<T extends object>(
  address: GatewayAddress,
  path: string,
  fields: readonly (keyof T & string)[],
): Promise<FetchResult<T>> {
  try {
    const answer = await readAnswer(await send(address, path, { accept: 'application/json' }));
    const body = parseJson(answer.body);
    if (answer.status === 200 && isObject(body) && fields.every((field) => field in body)) return { body: body as T };
    return await fetchError(address, answer);
  } catch (error) {
    return { error: await describeConnectError(address, error as Error) };
  }
}

/**
 * Passes the bytes of the body to `onChunk` until it resolves with false. Returns the error of the request or of the
 * connection, if there is one. Never rejects because of them.
 */
export async function fetchBytes(
  address: GatewayAddress,
  path: string,
  onChunk: (chunk: Uint8Array) => Promise<boolean>,
): Promise<FetchError | undefined> {
  try {
    const response = await send(address, path, { accept: 'application/octet-stream', bodyOfAnyLength: true });
    if (response.statusCode !== 200) return await fetchError(address, await readAnswer(response));
    for await (const chunk of response as AsyncIterable<Uint8Array>) if (!(await onChunk(chunk))) break;
    return undefined;
  } catch (error) {
    return { error: await describeConnectError(address, error as Error) };
  }
}

type FetchError = Extract<FetchResult<unknown>, { readonly error: unknown }>;

async function fetchError(address: GatewayAddress, answer: HttpAnswer): Promise<FetchError> {
  const { lines, rejected } = await describeResponse(address, answer);
  return { error: lines, ...(rejected && { status: answer.status }) };
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) {
    body += chunk;
    if (body.length > bodyBytesMax) throw new Error('the answer is too large');
  }
  const { statusCode = 0, statusMessage = '', headers } = response;
  return { status: statusCode, statusText: statusMessage, location: headers.location, body };
}

interface SendOptions {
  readonly accept: string;
  /** True if only the head of the response, not the body, must arrive before the timeout. */
  readonly bodyOfAnyLength?: boolean;
}

/**
 * Uses `node:http` instead of `fetch`. In some versions of Node, a process that uses `fetch` ends while it waits for a
 * connection that the server has closed.
 */
function send(
  { url, headers, socketPath }: GatewayAddress,
  path: string,
  { accept, bodyOfAnyLength = false }: SendOptions,
): Promise<IncomingMessage> {
  const base = endpoint(url)
    .replace(/^ws/, 'http')
    .replace(/ws\/?$/, 'http/');
  return new Promise((resolve, reject) => {
    const request = (base.startsWith('https:') ? httpsRequest : httpRequest)(
      new URL(base + path),
      { headers: { ...headers, accept }, ...(socketPath !== undefined && { socketPath }) },
      resolve,
    );
    // Use a timer, because `AbortSignal.timeout` does not keep the process alive until it fires.
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${responseTimeoutMs / 1_000} s`)),
      responseTimeoutMs,
    );
    request.on('error', reject).on('close', () => clearTimeout(timer));
    if (bodyOfAnyLength) request.on('response', () => clearTimeout(timer));
    request.end();
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
