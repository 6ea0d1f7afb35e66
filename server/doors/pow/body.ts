// The body of a request, up to a bound.

import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.ts';

/** Throws a Problem when it is longer; what is left of it is not read then. Content types are not looked at: clients send whatever theirs does. */
export async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new Problem(413, 'message too large', { Connection: 'close' });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
