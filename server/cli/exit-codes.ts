// Exit codes of the command: one table. docs/cli.md shows it; a test compares the two.

import { constants } from 'node:os';
import type { CallResult } from '../../protocol/client.ts';

export const exitCodes = {
  succeeded: 0,
  detached: 0,
  failed: 1,
  rejected: 2,
  usage: 2,
  'timed-out': 124,
  unknown: 125,
  cancelled: 130,
  /** 128 + SIGPIPE, as of every tool whose reader went away. */
  brokenPipe: 141,
} as const;

/** The exit code that says in a shell how the run ended: the work's own when it failed. */
export function exitCodeOf(result: CallResult): number {
  if (result.status !== 'failed') return exitCodes[result.status];
  const { exitCode, signal } = result;
  if (signal !== undefined) return 128 + (signalNumber(signal) ?? 0);
  // 0 can come with a failure too: a container that ran out of memory in a child.
  return exitCode !== undefined && exitCode > 0 && exitCode < 256 ? exitCode : exitCodes.failed;
}

function signalNumber(signal: string): number | undefined {
  return (constants.signals as Readonly<Record<string, number>>)[signal];
}
