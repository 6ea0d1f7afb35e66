// A call declared without code: the keys that all kinds have in common, and how a declaration becomes a call.

import type { Call, JsonSchema, Param } from './call.ts';
import { stopSignals } from './engines.ts';
import type { StopSignal } from './engines.ts';
import type { Kind, Place } from './kind.ts';
import { text } from './parts.ts';
import { policyKeys, readPolicies } from './policies.ts';
import type { PolicyDeclaration } from './policies.ts';
import { present } from './present.ts';
import { paramNamePattern } from './substitute.ts';
import { parseDuration } from './units.ts';

export const callNamePattern = '^[A-Za-z0-9][A-Za-z0-9._-]*$';
export const callNameSays = 'is not a name for a call: it must be letters, digits, ".", "_" and "-", and begin with a letter or digit';

/** What one item of `params` may hold. */
export const paramKeys = {
  name: { type: 'string', pattern: `^${paramNamePattern}$`, says: 'must be letters, digits, "_" and "-", and begin with a letter or "_"' },
  summary: text,
  schema: { type: 'object' },
  default: text,
} as const satisfies Record<string, JsonSchema>;

export const stopKeys = {
  signal: { enum: stopSignals },
  grace: { duration: { min: 0 } },
} as const satisfies Record<string, JsonSchema>;

/** What every declared call may hold, whichever its kind. */
export const commonKeys = {
  summary: text,
  params: {
    type: 'array',
    items: { type: 'object', properties: paramKeys, required: ['name'], additionalProperties: false },
  },
  scope: { type: 'string', minLength: 1, says: 'must not be empty' },
  timeout: { duration: { min: 1 } },
  stop: { type: 'object', properties: stopKeys, additionalProperties: false },
  ...policyKeys,
} as const satisfies Record<string, JsonSchema>;

/** A declaration after validation; the keys of its kind stand beside these. */
interface Declaration extends Readonly<Record<string, unknown>>, PolicyDeclaration {
  readonly summary?: string;
  readonly params?: readonly Param[];
  readonly scope?: string;
  readonly timeout?: string | number;
  readonly stop?: { readonly signal?: StopSignal; readonly grace?: string | number };
}

export interface Surroundings {
  readonly kind: Kind;
  readonly place: Place;
  /** The grace of calls that do not declare one. */
  readonly graceMs: number;
}

/** The call that a valid declaration stands for. */
export function declareCall(name: string, declaration: Declaration, { kind, place, graceMs }: Surroundings): Call {
  const { summary, params = [], scope, timeout, stop } = declaration;
  return {
    name,
    kind: kind.name,
    params,
    needs: [kind.name],
    stop: { signal: stop?.signal ?? 'SIGTERM', graceMs: stop?.grace === undefined ? graceMs : parseDuration(stop.grace) },
    body: kind.bind(declaration, place),
    ...present({ summary, scope, timeoutMs: timeout === undefined ? undefined : parseDuration(timeout) }),
    ...readPolicies(declaration),
  };
}
