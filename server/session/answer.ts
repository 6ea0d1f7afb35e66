// An HTTP answer on a socket that asked for an upgrade and does not get it.

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorBody, type ErrorCode } from '../../protocol/errors.ts';

export interface HttpRefusal {
  readonly code: ErrorCode;
  /** In place of the code's own text. */
  readonly message?: string;
  /** Told as plain text. */
  readonly plain?: boolean;
}

/** Headers a client needs to do better next time (RFC 6455, 4.4; RFC 9110, 11.6.1 and 7.8). */
const headersOf: { readonly [code in ErrorCode]?: readonly string[] } = {
  upgrade_required: ['Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  invalid_credentials: ['WWW-Authenticate: Bearer'],
  login_required: ['WWW-Authenticate: Bearer'],
};

/** Exactly one answer, then the socket is closed. */
export function answer(socket: Duplex, refusal: HttpRefusal): void {
  const body = errorBody(refusal.code, refusal.message);
  const text = refusal.plain === true ? body.message : JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status] ?? ''}`, 'Connection: close', `Content-Type: ${refusal.plain === true ? 'text/plain' : 'application/json'}; charset=utf-8`,
    'X-Content-Type-Options: nosniff', `Content-Length: ${Buffer.byteLength(text)}`, ...(headersOf[refusal.code] ?? []),
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}
