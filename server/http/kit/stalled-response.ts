// Disconnects clients that stop accepting data, so that no response keeps its files open for ever.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type SocketState, WriteStall } from '../../support/write-stall.ts';

const checkIntervalMs = 1_000;

/** Destroys the response when the client has accepted no data for `writeStallMs`. */
export function destroyWhenStalled(response: ServerResponse, writeStallMs: number): void {
  // The client has already disconnected.
  if (response.socket === null) return;
  const stall = new WriteStall(response.socket as Socket & SocketState);
  const timer = setInterval(
    () => {
      if (stall.stalledMs(performance.now()) > writeStallMs) response.destroy();
    },
    Math.min(checkIntervalMs, writeStallMs / 2),
  ).unref();
  response.once('close', () => clearInterval(timer));
}
