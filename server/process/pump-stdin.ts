// Pumps the input of a run into a pipe at the speed of its reader.

import type { Writable } from 'node:stream';
import type { Input } from '../../calls/contract/ports.ts';
import type { Logger } from '../support/logger.ts';

/** Pumps until the input ends, then closes `stdin`. Discards the rest if the reader closes first. Never throws. */
export function pumpStdin(input: Input, stdin: Writable, log: Logger): void {
  // EPIPE means that the reader closed its end. That is not an error, because many programs read only the beginning.
  stdin.on('error', () => input.discard());
  stdin.once('close', () => input.discard());
  pump(input, stdin).catch((error: unknown) => {
    log.error({ err: error }, 'cannot forward input to the process');
    stdin.destroy();
  });
}

async function pump(input: Input, stdin: Writable): Promise<void> {
  for await (const chunk of input) {
    if (stdin.destroyed) return;
    // Node merges chunks queued behind a pending write into one writev, so small frames need no buffering here.
    const accepted = stdin.write(chunk, (error) => {
      if (error === null || error === undefined) input.taken(chunk.byteLength);
    });
    if (!accepted) await waitForDrain(stdin);
  }
  stdin.end();
}

async function waitForDrain(stdin: Writable): Promise<void> {
  if (stdin.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stdin.off('drain', done).off('close', done);
      resolve();
    };
    stdin.on('drain', done).on('close', done);
  });
}
