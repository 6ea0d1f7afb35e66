// Sends stdin to the run, then ends the input. Sends lines, or, for terminal calls and calls with `input: bytes`,
// chunks as they arrive.

import { StringDecoder } from 'node:string_decoder';
import type { OpenCall } from '../../../protocol/client/client.ts';
import { limits } from '../../../protocol/limits.ts';
import { readLines } from './input-lines.ts';

/**
 * Sends stdin line by line. Resolves when all lines are sent or the run stops reading. Rejects with LineTooLong.
 *
 * Reads a terminal to its end even if the run stops reading: otherwise the shell would execute the remaining lines.
 */
export async function forwardLines(
  stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean },
  call: Pick<OpenCall, 'write' | 'end'>,
): Promise<void> {
  for await (const lines of readLines(stdin, limits.messageBytesMax.default)) {
    for (const line of lines) if (!(await call.write(line)) && stdin.isTTY !== true) return;
  }
  call.end();
}

/** Sends stdin unchanged. Resolves when everything is sent or the run stops reading. */
export async function forwardBytes(
  stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean },
  call: Pick<OpenCall, 'write' | 'end'>,
): Promise<void> {
  for await (const chunk of stdin) if (!(await call.write(chunk)) && stdin.isTTY !== true) return;
  call.end();
}

/** Sends the chunks of a terminal as they arrive, but never splits a character. */
export async function forwardChunks(
  stdin: AsyncIterable<Uint8Array>,
  call: Pick<OpenCall, 'write' | 'end'>,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  for await (const chunk of stdin) {
    const text = decoder.write(Buffer.from(chunk));
    if (text !== '' && !(await call.write(text))) return;
  }
  const rest = decoder.end();
  if (rest !== '') await call.write(rest);
  call.end();
}
