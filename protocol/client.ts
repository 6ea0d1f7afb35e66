// The client: opens a call over a websocket (dialect distillery.v2) or comes to a run that exists, feeds it, stops it, survives lost connections,
// and tells how it ended. The same files serve browsers and Node; they depend on nothing, the socket's constructor is handed in.

import { ClientCall } from './client-call.ts';
import type { AttachOptions, CallOptions, OpenCall } from './client-types.ts';

export type * from './client-types.ts';
export { clientSubprotocol } from './client-link.ts';

/**
 * Connects to `url` and starts the call. Never throws for what the network or the gateway does: that is in `result`.
 * Throws what the socket's constructor throws (a SyntaxError for an address that is none).
 */
export function openCall(options: CallOptions): OpenCall {
  const { call, params = [], run = newRunId(), after, terminal, onDisconnect } = options;
  return new ClientCall(options, {
    id: run, feeds: true,
    first: {
      call, params, run, ...(after !== undefined && { after }), ...(terminal !== undefined && { terminal }), ...(onDisconnect !== undefined && { onDisconnect }),
    },
  });
}

/** Connects to `url` and watches a run, whether it goes on or is over. Throws as `openCall` does. */
export function attachRun(options: AttachOptions): OpenCall {
  const { run, after, last, input = false } = options;
  return new ClientCall(options, {
    id: run, feeds: input,
    first: { attach: run, ...(last !== undefined ? { last } : { after: after ?? 0 }), ...(input && { input }) },
  });
}

/** The websocket endpoint of the gateway at `address` (`http://host:port`, with a path when it sits behind a prefix; `ws:` works too). */
export function endpoint(address: string): string {
  const url = new URL(address);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (!/\/api\/v1\/ws\/?$/.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/ws`;
  return url.href;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** 100 random bits; `crypto.randomUUID` is not there on pages that came over plain HTTP. */
function newRunId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => alphabet[byte & 31]).join('');
}
