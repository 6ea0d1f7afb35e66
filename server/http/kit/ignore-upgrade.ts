// Answers a request for an unsupported upgrade, such as h2c, as if it had not asked for one (RFC 9110, 7.8).

import { type IncomingMessage, type RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Node passes such a request with its bare socket. Sends one response, then ends the connection. */
export function ignoreUpgrade(handle: RequestListener, request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => {});
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.on('finish', () => socket.end());
  handle(request, response);
}
