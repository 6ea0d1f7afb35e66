// Puts the caller's terminal into raw mode while it is connected to a remote one, and always restores it.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import type { TerminalSize } from '../../../protocol/messages.ts';

/** Returns the size of the terminal that shows `stream`; undefined if there is none. */
export function terminalSize(stream: WriteStream): TerminalSize | undefined {
  return stream.isTTY && stream.columns > 0 && stream.rows > 0
    ? { cols: stream.columns, rows: stream.rows }
    : undefined;
}

/**
 * Puts the terminal into raw mode: all keys then go to the run, including Ctrl-C. Returns a function that restores the
 * terminal. The function is idempotent.
 */
export function enterRawMode(stdin: ReadStream): () => void {
  stdin.setRawMode(true);
  // Node's raw mode covers only input: output still turns every line feed into CR LF, which garbles full-screen
  // programs. The remote terminal has already done that. Without stty the display is garbled, but nothing fails.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  // Leaving raw mode also restores this setting. 'exit' is emitted for process.exit and for uncaught exceptions.
  const leaveRawMode = (): void => {
    process.off('exit', leaveRawMode);
    for (const signal of fatalSignals) process.off(signal, onFatalSignal);
    discardTypedKeys();
    stdin.setRawMode(false);
    // Keys can arrive between the first `discardTypedKeys` and the end of raw mode.
    discardTypedKeys();
  };
  const onFatalSignal = (signal: NodeJS.Signals): void => {
    leaveRawMode();
    process.kill(process.pid, signal);
  };
  process.on('exit', leaveRawMode);
  for (const signal of fatalSignals) process.on(signal, onFatalSignal);
  return leaveRawMode;
}

/** Signals that would end the process without the event 'exit'. The command handles the other ones itself. */
const fatalSignals = ['SIGQUIT', 'SIGABRT', 'SIGALRM', 'SIGUSR2', 'SIGVTALRM', 'SIGXCPU'] as const;

/**
 * Reads and drops all keys that were typed but not read. Otherwise the shell that shows its prompt next would execute
 * them. Never throws.
 */
export function discardTypedKeys(): void {
  let terminal: number | undefined;
  try {
    // Open the terminal again, because non-blocking mode belongs to the open file description, which other processes
    // share.
    terminal = fs.openSync('/dev/tty', fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY);
    const keys = Buffer.allocUnsafe(4 << 10);
    while (fs.readSync(terminal, keys) > 0);
  } catch {
    // EAGAIN: nothing is left. Any other error: there is no terminal.
  } finally {
    if (terminal !== undefined) fs.closeSync(terminal);
  }
}

export function onResize(stream: WriteStream, listener: (size: TerminalSize) => void): () => void {
  const onStreamResize = (): void => {
    const size = terminalSize(stream);
    if (size !== undefined) listener(size);
  };
  stream.on('resize', onStreamResize);
  return () => void stream.off('resize', onStreamResize);
}
