// The caller's own terminal while it is joined to a remote one: raw, and put back whatever happens.

import { spawnSync } from 'node:child_process';
import type { ReadStream, WriteStream } from 'node:tty';
import type { TerminalSize } from '../../../protocol/messages.ts';

/** Size of the terminal that `stream` shows on; undefined when it shows on none. */
export function sizeOf(stream: WriteStream): TerminalSize | undefined {
  return stream.isTTY && stream.columns > 0 && stream.rows > 0 ? { cols: stream.columns, rows: stream.rows } : undefined;
}

/** Keys go to the run from here on, Ctrl-C included. Returns what ends it; safe twice. */
export function enterRaw(stdin: ReadStream): () => void {
  stdin.setRawMode(true);
  // Node's raw mode is about keys alone: it goes on turning every line feed into a new line, which ruins what full-screen programs draw.
  // The far terminal has done all that already. Where there is no stty, nothing is worse than before.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  // Leaving raw mode restores all settings, this one included. 'exit' comes for process.exit and for uncaught exceptions too.
  const leave = (): void => {
    process.off('exit', leave);
    stdin.setRawMode(false);
  };
  process.on('exit', leave);
  return leave;
}

export function onResize(screen: WriteStream, listener: (size: TerminalSize) => void): () => void {
  const resized = (): void => {
    const size = sizeOf(screen);
    if (size !== undefined) listener(size);
  };
  screen.on('resize', resized);
  return () => void screen.off('resize', resized);
}
