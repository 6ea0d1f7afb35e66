// Decides which scopes a caller holds, and what the message for a missing scope is.

import type { Caller } from '../../calls/contract/context.ts';

/** Messages for scopes that do not use the message `missing scope`. */
const ownMessages: ReadonlyMap<string, string> = new Map([
  ['user.admin', 'user must have an admin account with TOTP enabled'],
  ['never', 'no one can do this'],
]);

/** Scopes that every logged-in caller holds. A caller with a token holds them only if its own scopes include them. */
const loginScopes: ReadonlySet<string> = new Set(['instances.directory', 'news.list', 'url.resolve']);

/**
 * Returns whether `caller` holds `scope`. If `scope` is undefined, every caller is allowed. No caller holds `never`. A
 * caller with a user name holds `user.valid` and, unless it uses a token, the scopes of a login.
 */
export function allows(caller: Caller, scope: string | undefined): boolean {
  if (scope === undefined) return true;
  if (scope === 'never') return false;
  if (scope === 'user.valid' && caller.user !== '') return true;
  if (caller.user !== '' && !caller.token && loginScopes.has(scope)) return true;
  return caller.scopes.includes('*') || caller.scopes.includes(scope);
}

/** Returns the message for a caller that lacks `scope`. */
export function missingScopeMessage(scope: string): string {
  return ownMessages.get(scope) ?? `missing scope ${JSON.stringify(scope)}`;
}
