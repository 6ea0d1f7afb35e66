// `port`: which ports of the machine lead into the container.

import { isIP } from 'node:net';
import type { PublishedPort } from '../../../../calls/contract/containers.ts';
import { cut } from '../../../../calls/contract/quote.ts';
import { within, wrong, type Field, type Key } from '../field.ts';
import { oneOrMore } from './schemas.ts';
import { readTexts, type Item } from './texts.ts';

const forms = "port must be in format 'hostPort:containerPort' (e.g., '8080:80') or 'hostIP:hostPort:containerPort' (e.g., '127.0.0.1:8080:80')";

export const portKey: Key<readonly PublishedPort[]> = {
  summary: 'Ports of this machine that lead into the container: "8080:80", or "127.0.0.1:8080:80". TCP.',
  schema: oneOrMore({ type: 'string', pattern: '^\\s*(\\[[^\\]]+\\]:|[^:]+:)?\\s*\\d+\\s*:\\s*\\d+\\s*$' }),
  read: (field) => readTexts(field, {
    all: `${field.name} items`,
    empty: (index) => `${intro(index)}${forms}`,
    emptyCode: 'INVALID_PORT_FORMAT',
  })?.flatMap((item) => readPort(field, item)),
};

function intro(index: number | undefined): string {
  return index === undefined ? 'invalid port format: ' : `invalid port format at index ${index}: `;
}

function readPort(field: Field, item: Item): readonly PublishedPort[] {
  const parts = partsOf(item.text);
  const fault = faultIn(parts);
  if (fault === undefined) {
    const [ip, hostPort, containerPort] = parts.length === 2 ? ['0.0.0.0', ...parts] : parts;
    return [{ hostIp: ip === 'localhost' ? '127.0.0.1' : ip!, hostPort: Number(hostPort), containerPort: Number(containerPort) }];
  }
  const at = fault.at === undefined ? item.value : within(field, item.value, [startOf(parts, fault.at, item.text), parts[fault.at]!.length]);
  wrong(field, `${intro(item.index)}${fault.message}`, { code: 'INVALID_PORT_FORMAT', at });
  return [];
}

/** An address of IPv6 stands in brackets. */
function partsOf(text: string): readonly string[] {
  const [, ip, rest] = /^\s*\[([^\]]*)\]:(.*)$/s.exec(text) ?? [];
  return ip === undefined ? text.split(':').map((part) => part.trim()) : [ip, ...rest!.split(':').map((part) => part.trim())];
}

/** Counted from the end: an address may hold colons of its own, and a part may be there twice. */
function startOf(parts: readonly string[], at: number, text: string): number {
  let end = text.length;
  for (let behind = parts.length - 1; behind > at; behind -= 1) end = text.lastIndexOf(':', end - 1);
  return text.lastIndexOf(parts[at]!, end - parts[at]!.length);
}

/** `at`: which part it is. */
function faultIn(parts: readonly string[]): { readonly message: string; readonly at?: number } | undefined {
  if (parts.length !== 2 && parts.length !== 3) return { message: forms };
  if (parts.includes('')) return { message: parts.length === 2 ? 'both host and container ports must be specified' : 'host IP, host port, and container port must all be specified' };
  const at = parts.findIndex((part, index) => index >= parts.length - 2 && !isPort(part));
  if (at !== -1) return { message: `port numbers must be between 1 and 65535, got '${cut(parts[at]!)}'`, at };
  const [ip] = parts;
  return parts.length === 2 || ip === 'localhost' || isIP(ip!) !== 0 ? undefined : { message: `host IP must be an IP address or localhost, got '${cut(ip!)}'`, at: 0 };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}
