// For requests that are so broken that Node's parser refuses them: they are told so in the shape of every other error.

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

// Dropping the connection while the client still sends would take the answer away from it.
const lingerMs = 1_000;

const statuses: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/** Listener for the server's `clientError`. Safe twice for one socket. */
export function listenerError(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET') socket.destroy();
  if (!socket.writable) return;
  const status = statuses[error.code ?? ''] ?? 400;
  const text = JSON.stringify({ error: 'invalid_request', message: 'the request cannot be read' });
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, 'Content-Type: application/json; charset=utf-8', `Content-Length: ${Buffer.byteLength(text)}`, 'Connection: close'];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
  const late = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(late));
}
