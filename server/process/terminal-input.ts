// Writes the input of a run to a terminal and ends it with the end-of-file character.

import type { Input } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import type { Pty } from './pty.ts';

export interface TerminalInput {
  readonly input: Input;
  readonly pty: Pick<Pty, 'write'>;
  /** Returns when the program last printed something (performance.now()). */
  lastOutputAt(): number;
  /** Aborted when the program has exited. */
  readonly exited: AbortSignal;
}

/** End-of-file character of a terminal (VEOF, Ctrl-D). */
export const eofCharacter: Uint8Array = Uint8Array.of(4);
/**
 * How often to repeat the end-of-file character. A program that does not read yet, such as a shell that reads its
 * profile, loses it, and a terminal cannot report that. Each repetition follows `quietMs` without output.
 */
const eofRepeats = { quietMs: 500, max: 10 } as const;

const retryMs = { first: 1, factor: 2, last: 50 } as const;
const newline = 10;

/**
 * Writes until the input ends, then sends the end of the input. Resolves when everything is written or the program has
 * exited.
 */
export async function writeTerminalInput(terminal: TerminalInput): Promise<void> {
  const { input, exited } = terminal;
  let last = newline;
  for await (const chunk of input) {
    await writeAll(terminal, chunk, (bytes) => input.taken(bytes));
    if (exited.aborted) return;
    last = chunk.at(-1) ?? last;
  }
  // On an unfinished line the first end-of-file character only submits the line. The second one ends the input.
  if (last !== newline) await writeAll(terminal, eofCharacter);
  for (let times = 0; times <= eofRepeats.max && !exited.aborted; times += 1) {
    await writeAll(terminal, eofCharacter);
    await waitForQuiet(terminal);
  }
}

async function writeAll(
  { pty, exited }: TerminalInput,
  bytes: Uint8Array,
  onWritten: (bytes: number) => void = () => {},
): Promise<void> {
  let wait: number = retryMs.first;
  for (let at = 0; at < bytes.byteLength && !exited.aborted; ) {
    const written = pty.write(bytes.subarray(at));
    if (written < 0) return;
    if (written === 0) {
      // Poll, because Node has no event for a writable terminal.
      await delay(wait, { signal: exited });
      wait = Math.min(wait * retryMs.factor, retryMs.last);
      continue;
    }
    at += written;
    wait = retryMs.first;
    onWritten(written);
  }
}

async function waitForQuiet({ lastOutputAt, exited }: TerminalInput): Promise<void> {
  const from = performance.now();
  for (;;) {
    const left = Math.max(from, lastOutputAt()) + eofRepeats.quietMs - performance.now();
    if (left <= 0 || exited.aborted) return;
    await delay(left, { signal: exited });
  }
}
