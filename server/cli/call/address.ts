// Where the gateway is: said on the command line, in the environment, or in the configuration at hand.

import { access } from 'node:fs/promises';
import type { House } from '../parts.ts';

export interface AddressHints {
  /** --url */
  readonly url?: string;
  /** --config */
  readonly config?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type Address = { readonly url: string } | { readonly problem: string };

const usual = 'http://127.0.0.1:8080';

export async function gatewayAddress(hints: AddressHints, house: Pick<House, 'loadConfig'>): Promise<Address> {
  if (hints.url !== undefined) return checked(hints.url, '--url');
  if (hints.config !== undefined) return fromConfig(hints.config, house);
  if (hints.env['DISTILLERY_URL']) return checked(hints.env['DISTILLERY_URL'], 'DISTILLERY_URL');
  if (!(await exists('distillery.yaml'))) return { url: usual };
  const address = await fromConfig('distillery.yaml', house);
  // A file that merely lies here does not have to be right for a call to be made.
  return 'problem' in address ? { url: usual } : address;
}

function checked(url: string, source: string): Address {
  const scheme = URL.canParse(url) ? new URL(url).protocol : '';
  if (['http:', 'https:', 'ws:', 'wss:'].includes(scheme)) return { url };
  return { problem: `${source}: "${url}" is not an address; write it like ${usual}` };
}

async function fromConfig(file: string, house: Pick<House, 'loadConfig'>): Promise<Address> {
  const loaded = await house.loadConfig(file, { withoutPipelines: true });
  if (!loaded.ok) return { problem: loaded.complain(false).trimEnd() };
  const { host, port } = loaded.config.http;
  if (port === 0) return { problem: `${file}: port 0 was a free port at the start of the gateway; say with --url which one it got` };
  return { url: `http://${reachable(host)}:${port}` };
}

/** "All addresses" is nothing to connect to. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(() => true, () => false);
}
