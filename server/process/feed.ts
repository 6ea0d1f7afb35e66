// Passes the caller's input to a pipe, no faster than its reader reads.

import type { Writable } from 'node:stream';
import type { Input } from '../../calls/contract/ports.ts';
import type { Logger } from '../support/logger.ts';

/** Pumps until the input ends, then closes `stdin`. When the reader goes away first, the rest is discarded. Never throws. */
export function feed(input: Input, stdin: Writable, log: Logger): void {
  // EPIPE: the reader closed its end. Not a fault of anybody; many programs read only the beginning.
  stdin.on('error', () => input.discard());
  stdin.once('close', () => input.discard());
  pump(input, stdin).catch((error: unknown) => {
    log.error({ err: error }, 'input could not be passed on');
    stdin.destroy();
  });
}

async function pump(input: Input, stdin: Writable): Promise<void> {
  for await (const chunk of input) {
    if (stdin.destroyed) return;
    // What piles up behind a write under way goes out as one writev, so small frames need no gathering here.
    const room = stdin.write(chunk, (error) => {
      if (error === null || error === undefined) input.taken(chunk.byteLength);
    });
    if (!room) await roomIn(stdin);
  }
  stdin.end();
}

async function roomIn(stdin: Writable): Promise<void> {
  if (stdin.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stdin.off('drain', done).off('close', done);
      resolve();
    };
    stdin.on('drain', done).on('close', done);
  });
}
