// Policies that the author of a call sets for its runs: concurrency, disconnect, retention, stall time and output size.

import { Ajv } from 'ajv';
import { addKeywords } from '../contract/ajv-keywords.ts';
import type { Call, CallKind, Concurrency, JsonSchema, Retention } from '../contract/call.ts';
import type { DisconnectRules } from '../contract/disconnect.ts';
import { parseDisconnect } from '../contract/disconnect.ts';
import { schemaErrorText } from '../contract/schema-message.ts';
import type { KeyDiagnostic } from '../text/diagnostic.ts';
import { omitUndefined } from '../text/omit-undefined.ts';
import { quote } from '../text/quote.ts';
import { didYouMean } from '../text/suggest.ts';
import { parseAge, parseDuration, parseSize } from '../text/units.ts';

const disconnectSchema: JsonSchema = { type: 'string', disconnect: true };

export const disconnectKeys = {
  default: disconnectSchema,
  allow: { type: 'array', items: disconnectSchema },
} as const satisfies Record<string, JsonSchema>;

export const concurrencyKeys = {
  limit: { type: 'integer', minimum: 1 },
  by: { type: 'string' },
  queue: { type: 'integer', minimum: 0 },
} as const satisfies Record<keyof Concurrency, JsonSchema>;

export const retentionKeys = {
  age: { age: { min: 0 } },
  runs: { type: 'integer', minimum: 0 },
  bytes: { size: { min: 0 } },
} as const satisfies Record<keyof RetentionDeclaration, JsonSchema>;

/** The keys of `output` if it is an object, not a size or the word `bytes`. */
export const outputKeys = {
  as: { enum: ['lines', 'bytes'] },
  limit: { size: { min: 0 } },
} as const satisfies Record<string, JsonSchema>;

export const policyKeys = {
  onDisconnect: {
    type: ['string', 'object'],
    disconnect: true,
    properties: disconnectKeys,
    additionalProperties: false,
  },
  concurrency: { type: 'object', properties: concurrencyKeys, required: ['limit'], additionalProperties: false },
  retention: { type: 'object', properties: retentionKeys, additionalProperties: false },
  stallAfter: { duration: { min: 0 } },
  input: { enum: ['lines', 'bytes'] },
  output: {
    type: ['string', 'number', 'object'],
    sizeOrBytes: { min: 0 },
    properties: outputKeys,
    additionalProperties: false,
  },
} as const satisfies Record<keyof PolicyDeclaration, JsonSchema>;

/** Number of runs that may wait if a call does not set `concurrency.queue`. */
export const defaultQueue = 100;

export interface RetentionDeclaration {
  /** Age such as `30d`, or milliseconds. */
  readonly age?: string | number;
  readonly runs?: number;
  /** Size such as `2g`, or bytes. */
  readonly bytes?: string | number;
}

/** Policies as written in distillery.yaml and in code. */
export interface PolicyDeclaration {
  /** `cancel`, `detach` or `grace:30s`; a string alone sets the default. */
  readonly onDisconnect?: string | { readonly default?: string; readonly allow?: readonly string[] };
  readonly concurrency?: { readonly limit: number; readonly by?: string; readonly queue?: number };
  readonly retention?: RetentionDeclaration;
  /** Duration such as `5m`, or milliseconds; 0 means never. */
  readonly stallAfter?: string | number;
  /** `bytes`: clients send input unchanged, not as lines. */
  readonly input?: 'lines' | 'bytes';
  /**
   * `bytes`: clients receive output unchanged, not as lines. A size such as `64m`, or a number of bytes, limits how
   * much output is stored. An object can have both.
   */
  readonly output?: string | number | { readonly as?: 'lines' | 'bytes'; readonly limit?: string | number };
}

export type Policies = Pick<
  Call,
  'onDisconnect' | 'concurrency' | 'retention' | 'stallAfterMs' | 'outputBytesMax' | 'bytes'
>;

/** Converts valid policies to the form that runs use. */
export function readPolicies({
  onDisconnect,
  concurrency,
  retention,
  stallAfter,
  input,
  output,
}: PolicyDeclaration): Policies {
  const { as, limit } = readOutput(output);
  const bytes = [...(input === 'bytes' ? (['input'] as const) : []), ...(as === 'bytes' ? (['output'] as const) : [])];
  return omitUndefined({
    onDisconnect: onDisconnect === undefined ? undefined : readDisconnectRules(onDisconnect),
    concurrency: concurrency === undefined ? undefined : { queue: defaultQueue, ...concurrency },
    retention: retention === undefined ? undefined : readRetention(retention),
    stallAfterMs: stallAfter === undefined ? undefined : parseDuration(stallAfter),
    outputBytesMax: limit === undefined ? undefined : parseSize(limit),
    bytes: bytes.length === 0 ? undefined : bytes,
  });
}

function readOutput(output: PolicyDeclaration['output']): Exclude<PolicyDeclaration['output'], string | number> & {} {
  if (output === 'bytes') return { as: 'bytes' };
  return typeof output === 'object' ? output : omitUndefined({ limit: output });
}

/** Returns the errors of `input: bytes` and `output: bytes` for a kind of call that cannot exchange bytes. */
export function checkBytes(declaration: Readonly<Record<string, unknown>>, kind: CallKind): readonly KeyDiagnostic[] {
  const why = whyNoBytes[kind];
  if (why === undefined) return [];
  const { input, output } = declaration;
  const paths = [
    ...(input === 'bytes' ? [['input']] : []),
    ...(output === 'bytes' ? [['output']] : []),
    ...((output as { as?: unknown } | null | undefined)?.as === 'bytes' ? [['output', 'as']] : []),
  ];
  return paths.map((path) => ({ path, message: `"bytes" is not for calls of kind ${kind}: ${why}` }));
}

const whyNoBytes: { readonly [kind in CallKind]?: string } = {
  terminal: 'a terminal exchanges characters',
  pipeline: 'its jobs share a log of lines',
};

export function readRetention({ age, runs, bytes }: RetentionDeclaration): Retention {
  return omitUndefined({
    ageMs: age === undefined ? undefined : parseAge(age),
    runs,
    bytes: bytes === undefined ? undefined : parseSize(bytes),
  });
}

function readDisconnectRules(declared: NonNullable<PolicyDeclaration['onDisconnect']>): DisconnectRules {
  const { default: defaultPolicy = 'cancel', allow = [defaultPolicy] } =
    typeof declared === 'string' ? { default: declared } : declared;
  return { default: parseDisconnect(defaultPolicy), allow: allow.map(parseDisconnect) };
}

/** Checks that `concurrency.by` names a param. Ignores values of the wrong type. */
export function checkPolicies(concurrency: unknown, params: readonly string[]): readonly KeyDiagnostic[] {
  const by: unknown = (concurrency as { by?: unknown } | null | undefined)?.by;
  if (typeof by !== 'string' || params.includes(by)) return [];
  const known = params.length === 0 ? '; the call has no parameters' : `; its parameters are ${params.join(', ')}`;
  return [
    {
      path: ['concurrency', 'by'],
      message: `${quote(by)} is not a parameter of this call${didYouMean(by, params) || known}`,
    },
  ];
}

const ajv = addKeywords(new Ajv({ allErrors: true, strict: true, strictTypes: false, logger: false }));
const validate = ajv.compile({ type: 'object', properties: policyKeys });

/** Returns the errors in the policies of a code call, each as a sentence that starts with the key. */
export function policyErrors(definition: PolicyDeclaration): readonly string[] {
  if (validate(definition)) return [];
  return (validate.errors ?? []).map(
    (error) =>
      `${error.instancePath.slice(1).replaceAll('/', '.')}: ${schemaErrorText(error)}${unknownKeyHint(error.params)}`,
  );
}

function unknownKeyHint(params: Readonly<Record<string, unknown>>): string {
  const key = params['additionalProperty'];
  return key === undefined ? '' : ` (${quote(key)})`;
}
