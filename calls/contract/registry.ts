// All available calls by name.

import { nearest } from '../text/suggest.ts';
import type { Call } from './call.ts';

export interface Registry {
  get(name: string): Call | undefined;
  /** Returns all calls, in declaration order. */
  list(): readonly Call[];
  /** Returns the closest known name for an unknown one. */
  suggest(name: string): string | undefined;
}

/** Throws if two calls have the same name. */
export function createRegistry(calls: readonly Call[]): Registry {
  const byName = new Map<string, Call>();
  for (const call of calls) {
    if (byName.has(call.name)) throw new Error(`two calls are named "${call.name}"; rename one of them`);
    byName.set(call.name, call);
  }
  const list = Object.freeze([...byName.values()]);
  return { get: (name) => byName.get(name), list: () => list, suggest: (name) => nearest(name, byName.keys()) };
}
