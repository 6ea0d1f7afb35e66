// The formats of JSON Schema that a param schema can name.

import type { Ajv } from 'ajv';
import formatsPlugin from 'ajv-formats';

type FormatName = Parameters<typeof formatsPlugin.default.get>[0];

/**
 * Formats of ajv-formats. The values of a `short` format are limited to `shortCharsMax` characters, because some of
 * these formats take quadratic time.
 */
const packaged: Readonly<Record<FormatName, 'short' | 'any length'>> = {
  date: 'short',
  time: 'short',
  'date-time': 'short',
  'iso-time': 'short',
  'iso-date-time': 'short',
  duration: 'short',
  email: 'short',
  hostname: 'short',
  ipv4: 'short',
  ipv6: 'short',
  uuid: 'short',
  url: 'short',
  uri: 'any length',
  'uri-reference': 'any length',
  'uri-template': 'any length',
  'json-pointer': 'any length',
  'json-pointer-uri-fragment': 'any length',
  'relative-json-pointer': 'any length',
  regex: 'any length',
  byte: 'any length',
  binary: 'any length',
  password: 'any length',
  int32: 'any length',
  int64: 'any length',
  float: 'any length',
  double: 'any length',
};

const shortCharsMax = 2_048;

/** Formats with characters beyond ASCII, which ajv-formats lacks (RFC 3987, RFC 5890, RFC 6531). */
const international: Readonly<Record<string, (value: string) => boolean>> = {
  'idn-hostname': isInternationalHost,
  'idn-email': (value) =>
    /^[^\s@]{1,64}@[^\s@]+$/u.test(value) && isInternationalHost(value.slice(value.indexOf('@') + 1)),
  iri: (value) => !/[\s<>"{}|\\^`]/u.test(value) && /^[a-z][a-z0-9+.-]*:/i.test(value) && URL.canParse(value),
  'iri-reference': (value) => !/[\s<>"{}|\\^`]/u.test(value) && URL.canParse(value, 'http://localhost/'),
};

export const formatNames: readonly string[] = [...Object.keys(packaged), ...Object.keys(international)];

/** Adds the formats. Every check takes linear time. */
export function addFormats(ajv: Ajv): void {
  for (const [name, length] of Object.entries(packaged)) {
    const format = formatsPlugin.default.get(name as FormatName);
    ajv.addFormat(name, length === 'short' ? limitLength(format) : format);
  }
  for (const [name, validate] of Object.entries(international)) ajv.addFormat(name, validate);
}

function limitLength(format: ReturnType<typeof formatsPlugin.default.get>): (value: string) => boolean {
  const test = textCheck(format);
  return (value) => value.length <= shortCharsMax && test(value);
}

/**
 * Converts a short format to a function. Such a format is an expression, a function, or an object that holds one of the
 * two.
 */
function textCheck(format: unknown): (value: string) => boolean {
  if (format instanceof RegExp) return (value) => format.test(value);
  if (typeof format === 'function') return format as (value: string) => boolean;
  return textCheck((format as { readonly validate: unknown }).validate);
}

function isInternationalHost(value: string): boolean {
  if (value.length > 253 || !/^[^\s/:?#@[\]\\]+$/u.test(value) || !URL.canParse(`http://${value}/`)) return false;
  const { hostname } = new URL(`http://${value}/`);
  return hostname.length <= 253 && hostname.split('.').every((label) => label.length <= 63);
}
