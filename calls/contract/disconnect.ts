// Disconnect policies: what happens to a run when its client disconnects. The author of the call decides which policies
// are allowed; the caller chooses one.

import { quote } from '../text/quote.ts';
import { formatDuration, parseDuration } from '../text/units.ts';

/**
 * `cancel`: the run stops. `detach`: the run continues. `grace`: the run stops unless a client that may control it
 * returns in time.
 */
export type DisconnectPolicy =
  | { readonly type: 'cancel' }
  | { readonly type: 'detach' }
  | { readonly type: 'grace'; readonly graceMs: number };

export interface DisconnectRules {
  readonly default: DisconnectPolicy;
  /**
   * Policies that a client may request. An allowed `grace` also allows every shorter grace. The default is always
   * allowed.
   */
  readonly allow: readonly DisconnectPolicy[];
}

/**
 * Rules of a call that declares none: a disconnect cancels the run, unless the caller requested a grace of up to one
 * minute.
 */
export const defaultDisconnect: DisconnectRules = {
  default: { type: 'cancel' },
  allow: [{ type: 'cancel' }, { type: 'grace', graceMs: 60_000 }],
};

/** Parses `cancel`, `detach` or `grace:30s`. Throws an Error whose message names the value and the valid forms. */
export function parseDisconnect(text: string): DisconnectPolicy {
  if (text === 'cancel' || text === 'detach') return { type: text };
  if (text.startsWith('grace:')) return { type: 'grace', graceMs: parseDuration(text.slice('grace:'.length)) };
  throw new Error(`${quote(text)} is not a disconnect policy; write cancel, detach, or a grace such as grace:30s`);
}

/** Formats a policy so that `parseDisconnect` reads the same policy back. */
export function formatDisconnect(policy: DisconnectPolicy): string {
  return policy.type === 'grace' ? `grace:${formatDuration(policy.graceMs)}` : policy.type;
}

export function allowsDisconnect(rules: DisconnectRules, requested: DisconnectPolicy): boolean {
  return [rules.default, ...rules.allow].some((allowed) => {
    if (allowed.type !== requested.type) return false;
    return allowed.type !== 'grace' || requested.type !== 'grace' || requested.graceMs <= allowed.graceMs;
  });
}
