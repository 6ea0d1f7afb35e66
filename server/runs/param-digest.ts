// Replaces long or private parameter values in records by a digest that still distinguishes them.

import { createHash } from 'node:crypto';
import type { Param } from '../../calls/contract/call.ts';

const prefix = 'sha256:';
/** Number of hexadecimal digits, enough to distinguish the values of one caller. */
const digestChars = 16;

export function recordedValue({ recorded: how }: Pick<Param, 'recorded'>, value: string): string {
  return how === 'digest' ? digest(value) : value;
}

/** True if a record shows `value`, in full or by its digest. */
export function matchesRecorded(shown: string, value: string): boolean {
  return shown === value || (shown.startsWith(prefix) && shown === digest(value));
}

function digest(value: string): string {
  const bytes = Buffer.from(value);
  return `${prefix}${createHash('sha256').update(bytes).digest('hex').slice(0, digestChars)} (${bytes.length} bytes)`;
}
