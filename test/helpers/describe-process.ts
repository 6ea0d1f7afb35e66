// Names a process in the messages of tests.

import { readFileSync } from 'node:fs';

export function describeProcess(pid: string): string {
  try {
    return `process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
  } catch {
    return `process ${pid}`;
  }
}
