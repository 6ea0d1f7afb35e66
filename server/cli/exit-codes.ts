// Exit codes of the command. A test compares them with docs/cli.md.

import { constants } from 'node:os';
import type { ClientResult } from '../../protocol/client/client.ts';

export const exitCodes = {
  succeeded: 0,
  detached: 0,
  failed: 1,
  rejected: 2,
  usage: 2,
  'timed-out': 124,
  unknown: 125,
  cancelled: 130,
  /** 128 + SIGPIPE, as for every tool whose reader closes the pipe. */
  brokenPipe: 141,
} as const;

/** Returns the exit code that reports the outcome to a shell. For a failed run, that is the exit code of the run. */
export function exitCodeForResult(result: ClientResult): number {
  if (result.status !== 'failed') return exitCodes[result.status];
  // The gateway stopped the run, so the exit code is not that of the work.
  if (result.storageFailed === true) return exitCodes.unknown;
  const { exitCode, signal } = result;
  if (signal !== undefined) return 128 + (signalNumber(signal) ?? 0);
  // A failure can come with exit code 0, for example if a child in a container ran out of memory.
  return exitCode !== undefined && exitCode > 0 && exitCode < 256 ? exitCode : exitCodes.failed;
}

function signalNumber(signal: string): number | undefined {
  return (constants.signals as Readonly<Record<string, number>>)[signal];
}
