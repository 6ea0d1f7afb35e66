// Describes a process for messages of tests: its pid and, if readable, its command line.

import { readFileSync } from 'node:fs';

export function describeProcess(pid: string): string {
  try {
    return `process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
  } catch {
    return `process ${pid}`;
  }
}
