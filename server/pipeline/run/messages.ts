// Why a job failed, in the words that pin's clients know.

import type { Exit } from '../../../calls/contract/engines.ts';
import type { TryEnd } from './board.ts';

/** How the script of a container job ended. */
export function endOfScript({ exitCode, signal, oomKilled }: Exit, command?: string): TryEnd {
  if (exitCode === 0) return { type: 'succeeded', exitCode };
  const how = exitCode === undefined ? `ended by ${signal ?? 'somebody else'}` : `exit code ${exitCode}`;
  return {
    type: 'failed', message: `${oomKilled === true ? 'out of memory: ' : ''}command execution failed (${how})`,
    ...(exitCode !== undefined && { exitCode }), ...(oomKilled === true && { oomKilled }), ...(command !== undefined && { command }),
  };
}

/** How that of a host job ended. */
export function endOfProcess({ exitCode, signal }: Exit, command?: string): TryEnd {
  if (exitCode === 0) return { type: 'succeeded', exitCode };
  const message = exitCode === undefined ? `ended by ${signal ?? 'somebody else'}` : `exit status ${exitCode}`;
  return { type: 'failed', message, ...(exitCode !== undefined && { exitCode }), ...(command !== undefined && { command }) };
}

export function timedOutAfter(timeoutMs: number): string {
  return `job timed out after ${timeoutMs / 1_000}s`;
}

const commandCharsMax = 1_000;

/** A command as it is told. */
export function shownCommand(command: string): string {
  return command.length <= commandCharsMax ? command : `${command.slice(0, commandCharsMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
