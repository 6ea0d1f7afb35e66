// The documented dialect, spoken when no subprotocol is offered.

import { decodeJson, encodeJson, isObject } from '../codec.ts';
import { sessionEndings } from '../close-codes.ts';
import type { ClientMessage } from '../messages.ts';
import type { Dialect } from './dialect.ts';

export const v1: Dialect = {
  name: 'v1',
  text: 'lines',
  hurries: false,
  read: (bytes) => readV1(decodeJson(bytes)),
  closeCode: (ending) => sessionEndings[ending].closeCode,
  result(result, ending) {
    if (result.success) return encodeJson({ success: true });
    // Some rows have a fixed text in the documented contract; richer texts are for dialects that have no such promise.
    const row = sessionEndings[ending];
    const fixed = 'message' in row && row.closeCode === 1000 ? row.message : undefined;
    return encodeJson({ success: false, message: fixed ?? (result.message || 'unspecified error') });
  },
};

/** A call (earlier clients say `name` for `call`), a signal, or junk. Unknown keys are ignored. */
export function readV1(value: unknown): ClientMessage {
  if (!isObject(value)) return { type: 'junk' };
  const call = value['call'] ?? value['name'];
  if (typeof call === 'string') {
    const params = value['params'] ?? [];
    return isStrings(params) ? { type: 'call', call, params } : { type: 'junk' };
  }
  switch (value['signal']) {
    case 'cancel': return { type: 'cancel' };
    case 'close': return { type: 'close-input' };
    default: return { type: 'junk' };
  }
}

export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
