// The public client API: starts a call or attaches to a run over a websocket (dialect distillery.v2). Reconnects after
// a lost connection. Runs in browsers and in Node without dependencies; the program that uses it passes the WebSocket
// constructor.

import { isTerminalSize } from '../terminal-size.ts';
import { ClientCall } from './open-call.ts';
import type { AttachOptions, CallOptions, OpenCall } from './types.ts';

export { clientSubprotocol } from './reconnecting-socket.ts';
export type * from './types.ts';

/**
 * Connects to `url` and starts the call. Never throws network or gateway errors: they are part of `result`. Throws the
 * error of the socket constructor (a SyntaxError for an invalid address).
 */
export function openCall(options: CallOptions): OpenCall {
  const { call, params = [], run = newRunId(), after, terminal, onDisconnect, bytes = false } = options;
  const hasSize = isTerminalSize(terminal);
  const opened = new ClientCall(options, {
    id: run,
    writesInput: true,
    message: {
      call,
      params,
      run,
      ...(after !== undefined && { after }),
      ...(hasSize && { terminal }),
      ...(onDisconnect !== undefined && { onDisconnect }),
      ...(bytes && { bytes }),
    },
  });
  // Call `resize` later: it delivers the notice `invalid-size`, and no item is delivered before this function returns.
  if (terminal !== undefined && !hasSize) queueMicrotask(() => opened.resize(terminal));
  return opened;
}

/** Connects to `url` and watches a run that is still active or has ended. Throws the same errors as `openCall`. */
export function attachRun(options: AttachOptions): OpenCall {
  const { run, after, last, input = false, bytes = false } = options;
  return new ClientCall(options, {
    id: run,
    writesInput: input,
    message: {
      attach: run,
      ...(last !== undefined ? { last } : { after: after ?? 0 }),
      ...(input && { input }),
      ...(bytes && { bytes }),
    },
  });
}

/**
 * Returns the websocket endpoint of the gateway at `address`: `http://host:port`, followed by a path if a proxy adds a
 * prefix. `ws:` also works.
 */
export function endpoint(address: string): string {
  const url = new URL(address);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (!/\/api\/v1\/ws\/?$/.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/ws`;
  return url.href;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** Returns a run id of 100 random bits. `crypto.randomUUID` is missing on pages served over plain HTTP. */
function newRunId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => alphabet[byte & 31]).join('');
}
