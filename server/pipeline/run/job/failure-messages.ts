// Failure messages of jobs. Clients of pin parse their wording.

import type { Exit } from '../../../../calls/contract/engines.ts';
import type { AttemptResult } from '../scheduler/scheduler.ts';

/** Converts the exit of a script in a container to the result of the attempt. */
export function containerScriptResult({ exitCode, signal, oomKilled }: Exit, command?: string): AttemptResult {
  if (exitCode === 0) return { type: 'succeeded', exitCode };
  const how = exitCode === undefined ? `ended by ${signal ?? 'another program'}` : `exit code ${exitCode}`;
  return {
    type: 'failed',
    message: `${oomKilled === true ? 'out of memory: ' : ''}command execution failed (${how})`,
    ...(exitCode !== undefined && { exitCode }),
    ...(oomKilled === true && { oomKilled }),
    ...(command !== undefined && { command }),
  };
}

/** Converts the exit of a script on the host to the result of the attempt. */
export function hostScriptResult({ exitCode, signal }: Exit, command?: string): AttemptResult {
  if (exitCode === 0) return { type: 'succeeded', exitCode };
  const message = exitCode === undefined ? `ended by ${signal ?? 'another program'}` : `exit status ${exitCode}`;
  return {
    type: 'failed',
    message,
    ...(exitCode !== undefined && { exitCode }),
    ...(command !== undefined && { command }),
  };
}

export function timeoutMessage(timeoutMs: number): string {
  return `job timed out after ${timeoutMs / 1_000}s`;
}

const commandCharsMax = 1_000;

/** Shortens a command to the length that events allow. */
export function truncateCommand(command: string): string {
  return command.length <= commandCharsMax
    ? command
    : `${command.slice(0, commandCharsMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
