// The dialect v1, used when the client offers no subprotocol.

import { sessionEndings } from '../close-codes.ts';
import { decodeJson, encodeJson, isObject } from '../codec.ts';
import type { ClientMessage } from '../messages.ts';
import type { Dialect } from './dialect.ts';

export const v1: Dialect = {
  name: 'v1',
  text: 'lines',
  dataFrames: false,
  secondCancelForces: false,
  read: (bytes) => readV1(decodeJson(bytes)),
  closeCode: (ending) => sessionEndings[ending].closeCode,
  result(result, ending) {
    if (result.success) return encodeJson({ success: true });
    // The documented contract of v1 fixes the text of some endings; only other dialects get more detail.
    const row = sessionEndings[ending];
    const isFixed = row.closeCode === 1000 || ending === 'input-overflow';
    const fixedMessage = 'message' in row && isFixed ? row.message : undefined;
    return encodeJson({ success: false, message: fixedMessage ?? (result.message || 'unspecified error') });
  },
};

/** Reads a call (older clients write `name` for `call`) or a signal. Ignores unknown keys. */
export function readV1(value: unknown): ClientMessage {
  if (!isObject(value)) return { type: 'invalid-message' };
  const call = value['call'] ?? value['name'];
  if (typeof call === 'string') {
    const params = value['params'] ?? [];
    return isStringArray(params) ? { type: 'call', call, params } : { type: 'invalid-message' };
  }
  switch (value['signal']) {
    case 'cancel':
      return { type: 'cancel' };
    case 'close':
      return { type: 'close-input' };
    default:
      return { type: 'invalid-message' };
  }
}

export function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
