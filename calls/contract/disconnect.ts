// What becomes of a run when the client that started it is lost: what the author of the call allows, the caller chooses.

import { quote } from './quote.ts';
import { formatDuration, parseDuration } from './units.ts';

/** `cancel`: the run is stopped. `detach`: it goes on. `grace`: it is stopped unless somebody who may stop it comes back in time. */
export type DisconnectPolicy = { readonly type: 'cancel' } | { readonly type: 'detach' } | { readonly type: 'grace'; readonly graceMs: number };

export interface DisconnectRules {
  readonly default: DisconnectPolicy;
  /** A `grace` allows every shorter one. The default is always allowed. */
  readonly allow: readonly DisconnectPolicy[];
}

/** Of calls that do not say: lost clients cancel, and those that ask for it have a minute to come back. */
export const usualDisconnect: DisconnectRules = { default: { type: 'cancel' }, allow: [{ type: 'cancel' }, { type: 'grace', graceMs: 60_000 }] };

/** Reads `cancel`, `detach` or `grace:30s`. Throws an Error whose message names what was given and what may be. */
export function parseDisconnect(text: string): DisconnectPolicy {
  if (text === 'cancel' || text === 'detach') return { type: text };
  if (text.startsWith('grace:')) return { type: 'grace', graceMs: parseDuration(text.slice('grace:'.length)) };
  throw new Error(`${quote(text)} is not what can be done on disconnect; write cancel, detach, or a grace such as grace:30s`);
}

/** `parseDisconnect` reads it back. */
export function formatDisconnect(policy: DisconnectPolicy): string {
  return policy.type === 'grace' ? `grace:${formatDuration(policy.graceMs)}` : policy.type;
}

export function allowsDisconnect(rules: DisconnectRules, wanted: DisconnectPolicy): boolean {
  return [rules.default, ...rules.allow].some((allowed) => {
    if (allowed.type !== wanted.type) return false;
    return allowed.type !== 'grace' || wanted.type !== 'grace' || wanted.graceMs <= allowed.graceMs;
  });
}
