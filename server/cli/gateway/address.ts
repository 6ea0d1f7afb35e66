// Finds the address of the gateway: from the command line, the environment, or a configuration file.

import type { CliBackend, ListenAddress } from '../backend.ts';

export interface AddressOptions {
  /** Value of --url. */
  readonly url?: string;
  /** Value of --config. */
  readonly config?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where a gateway is, and what each request to it has to carry. */
export interface GatewayAddress {
  /** Without user and password, so it can be printed. */
  readonly url: string;
  /** The header `authorization`, if the address has a user. */
  readonly headers: Readonly<Record<string, string>>;
  /** Path of the Unix socket of a gateway in this process. `url` then only names that gateway. */
  readonly socketPath?: string;
  /** True if `--url` or the environment names the address. */
  readonly named: boolean;
}

export type AddressResult = GatewayAddress | { readonly error: string };

type Backend = Pick<CliBackend, 'loadConfig' | 'readListen'>;

const defaultUrl = 'http://127.0.0.1:8080';

export async function resolveGatewayAddress(options: AddressOptions, backend: Backend): Promise<AddressResult> {
  if (options.url !== undefined) return checkUrl(options.url, '--url');
  if (options.config !== undefined) return readConfigAddress(options.config, backend);
  if (options.env['DISTILLERY_URL']) return checkUrl(options.env['DISTILLERY_URL'], 'DISTILLERY_URL');
  const listen = await backend.readListen('distillery.yaml');
  // The command line does not name this file, so errors in it must not stop a call.
  return listen === undefined || listen.port === 0 ? unnamed(defaultUrl) : unnamed(toUrl(listen));
}

function unnamed(url: string): GatewayAddress {
  return { url, headers: {}, named: false };
}

function checkUrl(text: string, source: string): AddressResult {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol))
    return { error: `${source}: "${hideCredentials(text)}" is not an address; write it like ${defaultUrl}` };
  const { username, password } = url;
  if (username === '' && password === '') return { url: text, headers: {}, named: true };
  url.username = '';
  url.password = '';
  const credentials = Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64');
  return { url: url.href, headers: { authorization: `Basic ${credentials}` }, named: true };
}

/** Decodes percent-encoding. Returns the text unchanged if a percent sign in it encodes nothing. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Removes user and password from every address in a text that a user has typed. The address need not be valid: a
 * password may contain any character but white space.
 */
export function hideCredentials(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)\S*@/gi, '$1').replace(/[^\s"'=/]+:[^\s"']*@/g, '');
}

async function readConfigAddress(file: string, backend: Backend): Promise<AddressResult> {
  const listen = (await backend.readListen(file)) ?? (await loadListen(file, backend));
  if ('error' in listen) return listen;
  if (listen.port === 0)
    return { error: `${file}: port 0 means that the gateway picked a free port; pass its address with --url` };
  return unnamed(toUrl(listen));
}

/** Loads the whole file, so that the message has every diagnostic of a file without a valid address. */
async function loadListen(file: string, backend: Backend): Promise<ListenAddress | { readonly error: string }> {
  const loaded = await backend.loadConfig(file);
  return loaded.ok ? loaded.config.http : { error: loaded.formatDiagnostics(false).trimEnd() };
}

function toUrl({ host, port }: ListenAddress): string {
  return `http://${connectableHost(host)}:${port}`;
}

/**
 * Returns the host for a URL. Replaces an address that means all interfaces, which is no valid destination, by
 * loopback.
 */
function connectableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
