// The log as operators read it: JSON lines on stderr. stdout belongs to what a command was asked for.

import { pino } from 'pino';
import type { Logger } from './logger.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Level from LOG_LEVEL, `info` when it is absent; a level that does not exist is complained about in the log itself. */
export function logOutput(env: Readonly<Record<string, string | undefined>>): Logger {
  const asked = env['LOG_LEVEL'] || 'info';
  const level = logLevels.find((name) => name === asked);
  // Synchronous: what is said last before a crash is what matters most.
  const log = pino({ level: level ?? 'info', base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
  if (level === undefined) log.warn({ LOG_LEVEL: asked, levels: logLevels }, 'there is no such log level; using info');
  return log;
}
