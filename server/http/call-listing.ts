// Builds the JSON that describes a call to clients.

import type { Call, Param } from '../../calls/contract/call.ts';
import { defaultDisconnect, formatDisconnect } from '../../calls/contract/disconnect.ts';
import type { Availability } from '../../calls/contract/engines.ts';
import type { CallListing, ParamListing } from './deps.ts';

export function callListing(call: Call, availability: Availability): CallListing {
  const {
    name,
    summary,
    kind,
    params,
    scope,
    timeoutMs,
    stop,
    concurrency,
    retention,
    stallAfterMs,
    outputBytesMax,
    bytes,
  } = call;
  const optional = { concurrency, retention, stallAfterMs, outputBytesMax, bytes };
  return omitUndefined({
    name,
    summary,
    kind,
    params: params.map(paramListing),
    scope,
    timeoutMs,
    stop,
    onDisconnect: disconnectListing(call),
    ...optional,
    ...availability,
  });
}

function disconnectListing({ onDisconnect = defaultDisconnect }: Call): CallListing['onDisconnect'] {
  const allowed = [onDisconnect.default, ...onDisconnect.allow].map(formatDisconnect);
  return { default: formatDisconnect(onDisconnect.default), allow: [...new Set(allowed)] };
}

function paramListing(param: Param): ParamListing {
  const { name, summary, schema, default: value, bytesMax = Infinity } = param;
  const limit = { bytesMax: Number.isFinite(bytesMax) ? bytesMax : undefined };
  return omitUndefined({ name, summary, schema, default: value, required: value === undefined, ...limit });
}

type WithoutUndefined<T> = { [key in keyof T as undefined extends T[key] ? never : key]: T[key] } & {
  [key in keyof T as undefined extends T[key] ? key : never]?: Exclude<T[key], undefined>;
};

/** Returns `value` without its undefined members: in JSON, an absent field means unknown. */
function omitUndefined<T extends object>(value: T): WithoutUndefined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as WithoutUndefined<T>;
}
