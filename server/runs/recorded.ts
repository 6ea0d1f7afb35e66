// What records show of a param whose value is too long, or nobody else's business: a digest of it, by which two are still told apart.

import { createHash } from 'node:crypto';
import type { Param } from '../../calls/contract/call.ts';

const prefix = 'sha256:';
/** Hexadecimal digits; enough to tell two values of one caller apart. */
const digestChars = 16;

export function recorded({ recorded: how }: Pick<Param, 'recorded'>, value: string): string {
  return how === 'digest' ? digest(value) : value;
}

/** Whether a record shows `value`, as it is or by its digest. */
export function isRecorded(shown: string, value: string): boolean {
  return shown === value || (shown.startsWith(prefix) && shown === digest(value));
}

function digest(value: string): string {
  const bytes = Buffer.from(value);
  return `${prefix}${createHash('sha256').update(bytes).digest('hex').slice(0, digestChars)} (${bytes.length} bytes)`;
}
