// All calls that may be asked for, by name.

import type { Call } from './call.ts';
import { nearest } from './suggest.ts';

export interface Registry {
  get(name: string): Call | undefined;
  /** In the order they were declared. */
  list(): readonly Call[];
  /** A known name near to one that is not known. */
  suggest(name: string): string | undefined;
}

/** Throws when two calls have the same name. */
export function createRegistry(calls: readonly Call[]): Registry {
  const byName = new Map<string, Call>();
  for (const call of calls) {
    if (byName.has(call.name)) throw new Error(`there are two calls named "${call.name}"; give one of them another name`);
    byName.set(call.name, call);
  }
  const list = Object.freeze([...byName.values()]);
  return { get: (name) => byName.get(name), list: () => list, suggest: (name) => nearest(name, byName.keys()) };
}
