// Writes the HTTP error response to a rejected upgrade request.

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, errorBody } from '../../protocol/errors.ts';

export interface UpgradeRejection {
  readonly code: ErrorCode;
  /** Replaces the default message of the code. */
  readonly message?: string;
  /** True to send plain text instead of JSON. */
  readonly plainText?: boolean;
}

/** Headers that tell the client how to succeed (RFC 6455, 4.4; RFC 9110, 11.6.1 and 7.8). */
const extraHeaders: { readonly [code in ErrorCode]?: readonly string[] } = {
  upgrade_required: ['Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  invalid_credentials: ['WWW-Authenticate: Bearer'],
  login_required: ['WWW-Authenticate: Bearer'],
};

/** Sends the response and closes the socket. */
export function rejectUpgrade(socket: Duplex, rejection: UpgradeRejection): void {
  const body = errorBody(rejection.code, rejection.message);
  const text = rejection.plainText === true ? body.message : JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status] ?? ''}`,
    'Connection: close',
    `Content-Type: ${rejection.plainText === true ? 'text/plain' : 'application/json'}; charset=utf-8`,
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...(extraHeaders[rejection.code] ?? []),
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}
