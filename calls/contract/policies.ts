// What the author of a call decides about its runs: how many at once, what becomes of them when their client is lost, and what is kept.

import { Ajv } from 'ajv';
import type { Call, Concurrency, JsonSchema, Retention } from './call.ts';
import { complaint } from './complaint.ts';
import { parseDisconnect } from './disconnect.ts';
import type { DisconnectRules } from './disconnect.ts';
import type { DeclarationProblem } from './param-list.ts';
import { present } from './present.ts';
import { quote } from './quote.ts';
import { didYouMean } from './suggest.ts';
import { parseAge, parseDuration, parseSize } from './units.ts';
import { addVocabulary } from './vocabulary.ts';

const disconnect: JsonSchema = { type: 'string', disconnect: true };

export const disconnectKeys = {
  default: disconnect,
  allow: { type: 'array', items: disconnect },
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

export const policyKeys = {
  onDisconnect: { type: ['string', 'object'], disconnect: true, properties: disconnectKeys, additionalProperties: false },
  concurrency: { type: 'object', properties: concurrencyKeys, required: ['limit'], additionalProperties: false },
  retention: { type: 'object', properties: retentionKeys, additionalProperties: false },
  stallAfter: { duration: { min: 0 } },
  output: { size: { min: 0 } },
} as const satisfies Record<keyof PolicyDeclaration, JsonSchema>;

/** Runs that may wait when the call does not say. */
export const usualQueue = 100;

export interface RetentionDeclaration {
  /** `30d`, or milliseconds. */
  readonly age?: string | number;
  readonly runs?: number;
  /** `2g`, or bytes. */
  readonly bytes?: string | number;
}

/** As it is written in distillery.yaml, and in the definition of a code call. */
export interface PolicyDeclaration {
  /** `cancel`, `detach` or `grace:30s`; alone it is the default. */
  readonly onDisconnect?: string | { readonly default?: string; readonly allow?: readonly string[] };
  readonly concurrency?: { readonly limit: number; readonly by?: string; readonly queue?: number };
  readonly retention?: RetentionDeclaration;
  /** `5m`, or milliseconds; 0 is never. */
  readonly stallAfter?: string | number;
  /** `64m`, or bytes. */
  readonly output?: string | number;
}

export type Policies = Pick<Call, 'onDisconnect' | 'concurrency' | 'retention' | 'stallAfterMs' | 'outputBytesMax'>;

/** What a valid declaration stands for. */
export function readPolicies({ onDisconnect, concurrency, retention, stallAfter, output }: PolicyDeclaration): Policies {
  return present({
    onDisconnect: onDisconnect === undefined ? undefined : readRules(onDisconnect),
    concurrency: concurrency === undefined ? undefined : { queue: usualQueue, ...concurrency },
    retention: retention === undefined ? undefined : readRetention(retention),
    stallAfterMs: stallAfter === undefined ? undefined : parseDuration(stallAfter),
    outputBytesMax: output === undefined ? undefined : parseSize(output),
  });
}

export function readRetention({ age, runs, bytes }: RetentionDeclaration): Retention {
  return present({ ageMs: age === undefined ? undefined : parseAge(age), runs, bytes: bytes === undefined ? undefined : parseSize(bytes) });
}

function readRules(declared: NonNullable<PolicyDeclaration['onDisconnect']>): DisconnectRules {
  const { default: usual = 'cancel', allow = [usual] } = typeof declared === 'string' ? { default: declared } : declared;
  return { default: parseDisconnect(usual), allow: allow.map(parseDisconnect) };
}

/** What a schema cannot say: runs are told apart by a param that there is. Passes over parts of the wrong shape. */
export function policyProblems(concurrency: unknown, params: readonly string[]): readonly DeclarationProblem[] {
  const by: unknown = (concurrency as { by?: unknown } | null | undefined)?.by;
  if (typeof by !== 'string' || params.includes(by)) return [];
  const known = params.length === 0 ? '; it has none' : `; it has ${params.join(', ')}`;
  return [{ path: ['concurrency', 'by'], message: `${quote(by)} is not a parameter of this call${didYouMean(by, params) || known}` }];
}

const ajv = addVocabulary(new Ajv({ allErrors: true, strict: true, strictTypes: false, logger: false }));
const validate = ajv.compile({ type: 'object', properties: policyKeys });

/** Mistakes in the policies of a definition in code, as sentences that begin with their place. */
export function policyMistakes(definition: PolicyDeclaration): readonly string[] {
  if (validate(definition)) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath.slice(1).replaceAll('/', '.')}: ${complaint(error)}${extraKey(error.params)}`);
}

function extraKey(params: Readonly<Record<string, unknown>>): string {
  const key = params['additionalProperty'];
  return key === undefined ? '' : ` (${quote(key)})`;
}
