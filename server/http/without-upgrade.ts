// A request that asks for an upgrade we do not have, such as h2c: it is answered as if it had not asked (RFC 9110, 7.8).

import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Node hands such a request over as a bare socket; it gets its one answer, and the connection ends. */
export function serveWithoutUpgrade(app: (request: IncomingMessage, response: ServerResponse) => void, request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => {});
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.on('finish', () => socket.end());
  app(request, response);
}
