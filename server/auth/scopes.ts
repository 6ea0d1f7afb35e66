// What a caller may do.

import type { Caller } from '../../calls/contract/context.ts';

/** Scopes whose refusal has its own text. */
const texts: ReadonlyMap<string, string> = new Map([
  ['user.admin', 'user must have an admin account with TOTP enabled'],
  ['never', 'no one can do this'],
]);

/** Whether `caller` holds `scope`; what needs none is allowed to all. `never` is held by nobody, `user.valid` by whoever is logged in. */
export function allows(caller: Caller, scope: string | undefined): boolean {
  if (scope === undefined) return true;
  if (scope === 'never') return false;
  if (scope === 'user.valid' && caller.user !== '') return true;
  return caller.scopes.includes('*') || caller.scopes.includes(scope);
}

/** What a caller without `scope` is told. */
export function scopeText(scope: string): string {
  return texts.get(scope) ?? `missing scope ${JSON.stringify(scope)}`;
}
