// Detects a command that could not be started. With an init in the container, the engine's start succeeds even then;
// the init prints an error and exits.

import type { OutputHead } from './streams.ts';

/**
 * Returns why the command could not be started; undefined if the command was started. Only the exit codes 126 and 127
 * can mean that, but a command may also exit with them.
 */
export function findStartError({ bytes, hasStdout }: OutputHead, exitCode: number | undefined): string | undefined {
  if (hasStdout || (exitCode !== 126 && exitCode !== 127)) return undefined;
  return /^\[FATAL tini \(\d+\)\] (exec .* failed: .*)\n$/.exec(bytes.toString())?.[1];
}
