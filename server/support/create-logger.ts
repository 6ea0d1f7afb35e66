// Creates the operator's log: JSON lines on stderr. stdout is reserved for the results of commands.

import { pino } from 'pino';
import type { Logger } from './logger.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Creates the log with the level in LOG_LEVEL, or `info` if that is absent. Logs a warning for an unknown level. */
export function createLogger(env: Readonly<Record<string, string | undefined>>): Logger {
  const requested = env['LOG_LEVEL'] || 'info';
  const level = logLevels.find((name) => name === requested);
  // Write synchronously, so that the last messages before a crash are written.
  const log = pino({ level: level ?? 'info', base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
  if (level === undefined) log.warn({ LOG_LEVEL: requested, levels: logLevels }, 'unknown log level; using info');
  return log;
}
