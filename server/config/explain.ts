// What the validator found, in sentences: one for each mistake, at the key or value that is wrong.

import type { ErrorObject } from 'ajv';
import { complaint } from '../../calls/contract/complaint.ts';
import { quote } from '../../calls/contract/quote.ts';
import { didYouMean } from '../../calls/contract/suggest.ts';
import { isLater } from './later.ts';
import type { KeyPath, Spot } from './source.ts';

/** A mistake whose place in the text is still to be found. */
export interface Finding {
  readonly spot: Spot;
  readonly message: string;
}

/** `errors` of a validator with `allErrors` and `verbose`. */
export function explain(errors: readonly ErrorObject[]): readonly Finding[] {
  const findings = errors.filter(({ keyword }) => keyword !== 'propertyNames').map(explainOne);
  return findings.filter((finding, at) => findings.findIndex((other) => samePlace(other, finding)) === at);
}

/** A value of the wrong type fails other checks as well; the first complaint is the one that matters. */
function samePlace(a: Finding, b: Finding): boolean {
  if (a.spot.at === 'key' || b.spot.at === 'key') return a === b;
  return JSON.stringify(a.spot.path) === JSON.stringify(b.spot.path);
}

function explainOne(error: ErrorObject): Finding {
  const path = keysOf(error.instancePath);
  if (error.propertyName !== undefined) {
    return { spot: { path: [...path, error.propertyName], at: 'key', of: path }, message: says(error, error.propertyName) };
  }
  switch (error.keyword) {
    case 'additionalProperties': return unknownKey(error, path);
    case 'required': return { spot: { path, at: 'key' }, message: `the key "${error.params['missingProperty']}" is missing` };
    case 'type': return { spot: { path }, message: wrongType(error) };
    case 'enum': return { spot: { path }, message: notAmong(error) };
    case 'duration': case 'age': case 'size': case 'disconnect': return { spot: { path }, message: complaint(error) };
    default: return { spot: { path }, message: says(error, error.data) };
  }
}

function keysOf(pointer: string): KeyPath {
  return pointer.split('/').slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
}

function unknownKey({ params, parentSchema }: ErrorObject, path: KeyPath): Finding {
  const key = String(params['additionalProperty']);
  const known = Object.keys((parentSchema?.['properties'] ?? {}) as object);
  const spot: Spot = { path: [...path, key], at: 'key', of: path };
  if (isLater(path, key)) return { spot, message: `the key "${key}" is not available in this version; leave it out` };
  return { spot, message: `unknown key ${quote(key)}${didYouMean(key, known) || `; the keys here are ${known.join(', ')}`}` };
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value)', array: 'a list', string: 'a text', boolean: 'true or false', integer: 'a whole number', number: 'a number',
  'string,object': 'a text or a mapping',
};

function wrongType({ params, data }: ErrorObject): string {
  const type = String(params['type']);
  if (type === 'string' && (typeof data === 'number' || typeof data === 'boolean')) return `must be a text, not ${data}; put it in quotes: "${data}"`;
  return `must be ${typeWords[type] ?? type}, not ${shown(data)}`;
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : quote(value);
}

function notAmong(error: ErrorObject): string {
  const allowed = (error.params['allowedValues'] as readonly unknown[]).map(String);
  return `${complaint(error)}, not ${shown(error.data)}${typeof error.data === 'string' ? didYouMean(error.data, allowed) : ''}`;
}

function says(error: ErrorObject, value: unknown): string {
  const sentence = error.parentSchema?.['says'];
  return typeof sentence === 'string' ? `${quote(value)} ${sentence}` : `${complaint(error)}, not ${shown(value)}`;
}
