// One question to the JSON half of the gateway.

import { endpoint } from '../../protocol/client.ts';

export type Answer<T> = { readonly body: T } | { readonly problem: readonly string[]; readonly status?: number };

/** What to do when nobody answers. */
export const absentHint = 'Is the gateway running? "distillery serve" starts it; --url says where it is.';

const answerMs = 30_000;

/** `path` is below `/api/v1/http/`. Never throws: what went wrong is in the answer, for people. The shape of the body is the gateway's word. */
export async function askGateway<T>(address: string, path: string): Promise<Answer<T>> {
  const base = endpoint(address).replace(/^ws/, 'http').replace(/ws\/?$/, 'http/');
  try {
    const response = await fetch(base + path, { signal: AbortSignal.timeout(answerMs), headers: { accept: 'application/json' } });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok && body !== undefined) return { body: body as T };
    const { message } = (body ?? {}) as { message?: unknown };
    return { problem: [`the gateway at ${address} refused: ${response.status} ${typeof message === 'string' ? message : response.statusText}`], status: response.status };
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { message?: string } };
    return { problem: [`cannot connect to ${address}: ${cause?.message || message}`, absentHint] };
  }
}
