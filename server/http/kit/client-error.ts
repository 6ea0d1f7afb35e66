// Answers requests that Node's parser rejects, in the error format of the listener's API.

import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { ErrorFormat } from './error-response.ts';
import { ApiError } from './http-error.ts';

/** The part of a socket that is needed to send an error and close. */
export interface ClientSocket {
  readonly writable: boolean;
  end(text: string): unknown;
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

type ParserError = Error & { readonly code?: string };

/** Returns whether the error means that the client has disconnected. */
export function isConnectionLost({ code }: ParserError): boolean {
  return code === 'ECONNRESET';
}

/** Answers a `clientError` of a server: sends an error and closes the connection. Idempotent for a socket. */
export function answerClientError(error: ParserError, socket: ClientSocket, format: ErrorFormat): void {
  if (!socket.writable) return;
  socket.end(errorResponse(new ApiError(codesByParserError[error.code ?? ''] ?? 'bad_request'), format));
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
}

// Do not drop the connection at once: a client that is still sending would lose the response.
const lingerMs = 1000;

const codesByParserError: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

function errorResponse(error: ApiError, format: ErrorFormat): string {
  const { text, type, status = error.status } = format(error, { method: '', path: '' });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${text}`;
}
