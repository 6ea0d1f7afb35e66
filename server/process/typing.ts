// Types the caller's input into a terminal, and says "end of input" the way terminals do.

import type { Input } from '../../calls/contract/ports.ts';
import { pause } from './pause.ts';
import type { Pty } from './pty.ts';

export interface Typing {
  readonly input: Input;
  readonly pty: Pick<Pty, 'type'>;
  /** When the program last wrote something (performance.now()). */
  heardAt(): number;
  /** Aborted when the program has ended. */
  readonly over: AbortSignal;
}

/** The end-of-file character of a terminal (VEOF, Ctrl-D). */
export const endOfInput: Uint8Array = Uint8Array.of(4);
/**
 * A program that was not ready for it yet loses an end of input (a shell that is still reading its profile), and a terminal
 * cannot tell. So it is repeated after each time of quiet, so many times.
 */
export const repeats = { quietMs: 500, max: 10 } as const;

const roomMs = { first: 1, factor: 2, last: 50 } as const;
const newline = 10;

/** Types until the input ends, then ends it. Resolves when nothing is left to type, or the program has ended. */
export async function typeInput(typing: Typing): Promise<void> {
  const { input, over } = typing;
  let last = newline;
  for await (const chunk of input) {
    await typeAll(typing, chunk, (bytes) => input.taken(bytes));
    if (over.aborted) return;
    last = chunk.at(-1) ?? last;
  }
  // In an unfinished line the first end of input only sends the line off; the second one ends.
  if (last !== newline) await typeAll(typing, endOfInput);
  for (let times = 0; times <= repeats.max && !over.aborted; times += 1) {
    await typeAll(typing, endOfInput);
    await quiet(typing);
  }
}

async function typeAll({ pty, over }: Typing, bytes: Uint8Array, typed: (bytes: number) => void = () => {}): Promise<void> {
  let wait: number = roomMs.first;
  for (let at = 0; at < bytes.byteLength && !over.aborted;) {
    const written = pty.type(bytes.subarray(at));
    if (written < 0) return;
    if (written === 0) {
      // Node has no event for "room to write" on a terminal.
      await pause(wait, over);
      wait = Math.min(wait * roomMs.factor, roomMs.last);
      continue;
    }
    at += written;
    wait = roomMs.first;
    typed(written);
  }
}

async function quiet({ heardAt, over }: Typing): Promise<void> {
  const from = performance.now();
  for (;;) {
    const left = Math.max(from, heardAt()) + repeats.quietMs - performance.now();
    if (left <= 0 || over.aborted) return;
    await pause(left, over);
  }
}
