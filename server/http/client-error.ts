// For requests that are so broken that Node's parser refuses them: they are told so in the shape of every other error.

import { STATUS_CODES } from 'node:http';
import { errorBody } from '../../protocol/errors.ts';
import type { ErrorCode } from '../../protocol/errors.ts';

/** Of a socket only what is needed to answer and leave. */
export interface ClientSocket {
  readonly writable: boolean;
  end(text: string): unknown;
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** Listener for the server's `clientError`: answers, and closes the connection. Safe twice for one socket. */
export function answerClientError(error: Error & { readonly code?: string }, socket: ClientSocket): void {
  if (error.code === 'ECONNRESET') socket.destroy();
  if (!socket.writable) return;
  socket.end(answer(codes[error.code ?? ''] ?? 'bad_request'));
  const late = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(late));
}

// Dropping the connection while the client still sends would take the answer away from it.
const lingerMs = 1000;

const codes: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

function answer(code: ErrorCode): string {
  const body = errorBody(code);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${text}`;
}
