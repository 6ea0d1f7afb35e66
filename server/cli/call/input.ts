// stdin on its way to the run: line by line, or for terminals as it comes; then the end of input.

import { StringDecoder } from 'node:string_decoder';
import type { OpenCall } from '../../../protocol/client.ts';
import { limits } from '../../../protocol/limits.ts';
import { linesOf } from './input-lines.ts';

/** Resolves when all input is sent, or nobody will read it. Throws LineTooLong. */
export async function forwardLines(stdin: AsyncIterable<Uint8Array>, call: Pick<OpenCall, 'write' | 'end'>): Promise<void> {
  for await (const lines of linesOf(stdin, limits.messageBytesMax.default)) {
    for (const line of lines) if (!(await call.write(line))) return;
  }
  call.end();
}

/** The same for a terminal: a chunk is sent as it is, but never ends inside a character. */
export async function forwardChunks(stdin: AsyncIterable<Uint8Array>, call: Pick<OpenCall, 'write' | 'end'>): Promise<void> {
  const decoder = new StringDecoder('utf8');
  for await (const chunk of stdin) {
    const text = decoder.write(Buffer.from(chunk));
    if (text !== '' && !(await call.write(text))) return;
  }
  const rest = decoder.end();
  if (rest !== '') await call.write(rest);
  call.end();
}
