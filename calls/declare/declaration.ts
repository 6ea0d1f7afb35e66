// Declared calls: the keys common to all kinds, and the conversion of a declaration to a call.

import type { Call, JsonSchema, Param } from '../contract/call.ts';
import type { StopSignal } from '../contract/engines.ts';
import { stopSignals } from '../contract/engines.ts';
import type { DeclarationSource, Kind } from '../contract/kind.ts';
import { paramNamePattern } from '../contract/substitute.ts';
import { omitUndefined } from '../text/omit-undefined.ts';
import { parseDuration, parseSize } from '../text/units.ts';
import type { PolicyDeclaration } from './policies.ts';
import { policyKeys, readPolicies } from './policies.ts';
import { stringSchema } from './schema-parts.ts';

export const callNamePattern = '^[A-Za-z0-9][A-Za-z0-9._-]*$';
export const callNameMessage =
  'is not a valid call name: use letters, digits, ".", "_" and "-", and start with a letter or digit';

/** The keys of an item of `params`. */
export const paramKeys = {
  name: {
    type: 'string',
    pattern: `^${paramNamePattern}$`,
    errorText: 'must consist of letters, digits, "_" and "-", and start with a letter or "_"',
  },
  summary: stringSchema,
  schema: { type: 'object' },
  default: stringSchema,
  bytesMax: { size: { min: 1 } },
} as const satisfies Record<string, JsonSchema>;

export const stopKeys = {
  signal: { enum: stopSignals },
  grace: { duration: { min: 0 } },
} as const satisfies Record<string, JsonSchema>;

/** The keys of every declared call, regardless of its kind. */
export const commonKeys = {
  summary: stringSchema,
  params: {
    type: 'array',
    items: { type: 'object', properties: paramKeys, required: ['name'], additionalProperties: false },
  },
  scope: { type: 'string', minLength: 1, errorText: 'must not be empty' },
  timeout: { duration: { min: 1 } },
  stop: { type: 'object', properties: stopKeys, additionalProperties: false },
  ...policyKeys,
} as const satisfies Record<string, JsonSchema>;

/** A validated declaration; it also holds the keys of its kind. */
interface Declaration extends Readonly<Record<string, unknown>>, PolicyDeclaration {
  readonly summary?: string;
  readonly params?: readonly ParamDeclaration[];
  readonly scope?: string;
  readonly timeout?: string | number;
  readonly stop?: { readonly signal?: StopSignal; readonly grace?: string | number };
}

/** A declared param. Unlike in `Param`, `bytesMax` can have a unit. */
export interface ParamDeclaration extends Omit<Param, 'bytesMax'> {
  /** A size such as `1m`, or a number of bytes. */
  readonly bytesMax?: string | number;
}

/** Converts valid declarations of params. */
export function readParams(params: readonly ParamDeclaration[]): readonly Param[] {
  return params.map(({ bytesMax, ...param }) =>
    bytesMax === undefined ? param : { ...param, bytesMax: parseSize(bytesMax) },
  );
}

export interface DeclarationContext {
  readonly kind: Kind;
  readonly source: DeclarationSource;
  /** Grace of calls that declare none, in milliseconds. */
  readonly graceMs: number;
}

/** Converts a valid declaration to a call. */
export function declareCall(
  name: string,
  declaration: Declaration,
  { kind, source, graceMs }: DeclarationContext,
): Call {
  const { summary, params = [], scope, timeout, stop } = declaration;
  return {
    name,
    kind: kind.name,
    params: readParams(params),
    needs: [kind.name],
    stop: {
      signal: stop?.signal ?? 'SIGTERM',
      graceMs: stop?.grace === undefined ? graceMs : parseDuration(stop.grace),
    },
    body: kind.bind(declaration, source),
    ...omitUndefined({
      requires: kind.requires?.(declaration, source),
      summary,
      scope,
      timeoutMs: timeout === undefined ? undefined : parseDuration(timeout),
    }),
    ...readPolicies(declaration),
  };
}
