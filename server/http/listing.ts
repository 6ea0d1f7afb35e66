// A call as it is told over HTTP.

import type { Call, Param } from '../../calls/contract/call.ts';
import { formatDisconnect, usualDisconnect } from '../../calls/contract/disconnect.ts';
import type { Availability } from '../../calls/contract/engines.ts';
import type { CallListing, ParamListing } from './parts.ts';

export function callListing(call: Call, availability: Availability): CallListing {
  const { name, summary, kind, params, scope, timeoutMs, stop, concurrency, retention, stallAfterMs, outputBytesMax } = call;
  const kept = { concurrency, retention, stallAfterMs, outputBytesMax };
  return present({ name, summary, kind, params: params.map(paramListing), scope, timeoutMs, stop, onDisconnect: disconnectListing(call), ...kept, ...availability });
}

function disconnectListing({ onDisconnect = usualDisconnect }: Call): CallListing['onDisconnect'] {
  const allowed = [onDisconnect.default, ...onDisconnect.allow].map(formatDisconnect);
  return { default: formatDisconnect(onDisconnect.default), allow: [...new Set(allowed)] };
}

function paramListing(param: Param): ParamListing {
  const { name, summary, schema, default: value } = param;
  return present({ name, summary, schema, default: value, required: value === undefined });
}

type Present<T> = { [key in keyof T as undefined extends T[key] ? never : key]: T[key] } &
  { [key in keyof T as undefined extends T[key] ? key : never]?: Exclude<T[key], undefined> };

/** `value` without its undefined members: absent is how JSON says unknown. */
function present<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Present<T>;
}
