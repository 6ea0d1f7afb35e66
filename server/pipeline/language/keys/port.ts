// The key `port`: ports of the machine that are forwarded to the container.

import { isIP } from 'node:net';
import type { PublishedPort } from '../../../../calls/contract/containers.ts';
import { truncate } from '../../../../calls/text/quote.ts';
import { type Field, type Key, rangeWithin, reportInvalid } from '../field.ts';
import { oneOrMore } from './json-schema.ts';
import { readStrings, type StringItem } from './string-list.ts';

const portForms =
  "port must be in format 'hostPort:containerPort' (e.g., '8080:80') or " +
  "'hostIP:hostPort:containerPort' (e.g., '127.0.0.1:8080:80')";

export const portKey: Key<readonly PublishedPort[]> = {
  summary: 'Ports of this machine to forward to the container, by TCP: "8080:80", or "127.0.0.1:8080:80".',
  schema: oneOrMore({ type: 'string', pattern: '^\\s*(\\[[^\\]]+\\]:|[^:]+:)?\\s*\\d+\\s*:\\s*\\d+\\s*$' }),
  read: (field) =>
    readStrings(field, {
      all: `${field.name} items`,
      empty: (index) => `${messagePrefix(index)}${portForms}`,
      emptyCode: 'INVALID_PORT_FORMAT',
    })?.flatMap((item) => readPort(field, item)),
};

function messagePrefix(index: number | undefined): string {
  return index === undefined ? 'invalid port format: ' : `invalid port format at index ${index}: `;
}

function readPort(field: Field, item: StringItem): readonly PublishedPort[] {
  const parts = splitPort(item.text);
  const error = findPortError(parts);
  if (error === undefined) {
    const [ip, hostPort, containerPort] = parts.length === 2 ? ['0.0.0.0', ...parts] : parts;
    return [
      {
        hostIp: ip === 'localhost' ? '127.0.0.1' : ip!,
        hostPort: Number(hostPort),
        containerPort: Number(containerPort),
      },
    ];
  }
  const at =
    error.at === undefined
      ? item.value
      : rangeWithin(field, item.value, [partStart(parts, error.at, item.text), parts[error.at]!.length]);
  reportInvalid(field, `${messagePrefix(item.index)}${error.message}`, { code: 'INVALID_PORT_FORMAT', at });
  return [];
}

/** Splits at the colons. An IPv6 address in brackets is one part. */
function splitPort(text: string): readonly string[] {
  const [, ip, rest] = /^\s*\[([^\]]*)\]:(.*)$/s.exec(text) ?? [];
  return ip === undefined
    ? text.split(':').map((part) => part.trim())
    : [ip, ...rest!.split(':').map((part) => part.trim())];
}

/**
 * Returns where part `at` starts in the text. Searches from the end, because an address may contain colons and two
 * parts may be equal.
 */
function partStart(parts: readonly string[], at: number, text: string): number {
  let end = text.length;
  for (let behind = parts.length - 1; behind > at; behind -= 1) end = text.lastIndexOf(':', end - 1);
  return text.lastIndexOf(parts[at]!, end - parts[at]!.length);
}

/** `at` is the index of the invalid part. */
function findPortError(parts: readonly string[]): { readonly message: string; readonly at?: number } | undefined {
  if (parts.length !== 2 && parts.length !== 3) return { message: portForms };
  if (parts.includes(''))
    return {
      message:
        parts.length === 2
          ? 'both host and container ports must be specified'
          : 'host IP, host port, and container port must all be specified',
    };
  const at = parts.findIndex((part, index) => index >= parts.length - 2 && !isPort(part));
  if (at !== -1) return { message: `port numbers must be between 1 and 65535, got '${truncate(parts[at]!)}'`, at };
  const [ip] = parts;
  return parts.length === 2 || ip === 'localhost' || isIP(ip!) !== 0
    ? undefined
    : { message: `host IP must be an IP address or localhost, got '${truncate(ip!)}'`, at: 0 };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}
