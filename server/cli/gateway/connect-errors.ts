// Explains why a gateway cannot be reached: nothing listens, another server answers, or TLS fails.

import { connect } from 'node:tls';
import { errors } from '../../../protocol/errors.ts';
import { type GatewayAddress, hideCredentials } from './address.ts';

/** Advice for a gateway that cannot be reached. */
const unreachableHint = 'Is the gateway running? Start it with "distillery serve", or pass its address with --url.';

export interface HttpAnswer {
  readonly status: number;
  readonly statusText: string;
  /** Target of a redirect. */
  readonly location?: string | undefined;
  readonly body: string;
}

/**
 * Explains an answer that is not a success. `rejected` is true if a gateway rejected the request and gave the reason.
 */
export async function describeResponse(
  address: GatewayAddress,
  { status, statusText, location, body }: HttpAnswer,
): Promise<{ readonly lines: readonly string[]; readonly rejected: boolean }> {
  const { url } = address;
  const message = gatewayMessage(body);
  if (message !== undefined)
    return { lines: [`the gateway at ${url} rejected the request: ${status} ${explain(message)}`], rejected: true };
  if (status === 400 && (await needsTls(address))) return { lines: [needsTlsText(url)], rejected: false };
  const answer = `${url} is not a Distillery gateway: it answered ${status} ${statusText}`.trimEnd();
  const more = location === undefined ? hintForStatus(status) : `It redirects to ${redirectTarget(location)}`;
  return { lines: [answer, ...(more === undefined ? [] : [more])], rejected: false };
}

/** The message of a gateway that stops is part of an older protocol, and says little to a reader. */
function explain(message: string): string {
  return message === errors.stopping.message ? 'the gateway is stopping; try again when it has started' : message;
}

function redirectTarget(location: string): string {
  if (!URL.canParse(location)) return hideCredentials(location);
  const url = new URL(location);
  url.username = '';
  url.password = '';
  return url.href;
}

/** Returns the message of the JSON body with which a gateway rejects a request; undefined for any other body. */
function gatewayMessage(body: string): string | undefined {
  try {
    const { status, code, message } = JSON.parse(body) as Readonly<Record<string, unknown>>;
    return typeof status === 'number' && typeof code === 'string' && typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

function hintForStatus(status: number): string | undefined {
  if (status === 401 || status === 407)
    return 'If a proxy asks for a password, write it into the address: https://user:password@host';
  return status >= 502 && status <= 504 ? 'If this is a proxy, check the gateway behind it.' : undefined;
}

type ConnectError = Error & {
  readonly code?: string;
  readonly reason?: string;
  readonly library?: string;
  readonly cert?: { readonly subjectaltname?: string };
};

/** Explains an error of the connection, the TLS handshake or the websocket handshake. */
export async function describeConnectError(address: GatewayAddress, error: ConnectError): Promise<readonly string[]> {
  const { url } = address;
  const text = certificateText(url, error) ?? tlsText(url, error);
  if (text !== undefined) return text;
  if (isUnexpectedAnswer(error) && (await needsTls(address))) return [needsTlsText(url)];
  if (error.code?.startsWith('HPE_')) return [`${url} is not a Distillery gateway: its answer is not HTTP`];
  if (handshakeErrors.test(error.message))
    return [`${url} is not a Distillery gateway: it answered the websocket handshake as another kind of server`];
  if (isHangUp(error))
    return [
      `cannot connect to ${url}: the server closed the connection without an answer`,
      'Does another program use this port? Pass the address of the gateway with --url.',
    ];
  return [`cannot connect to ${url}: ${error.message || error.code || 'unknown error'}`, unreachableHint];
}

/** Errors that ws reports if the answer to its handshake is not valid. */
const handshakeErrors = /^(Server sent|Invalid (Upgrade|Sec-WebSocket-Accept|Sec-WebSocket-Extensions) header)/;

function isHangUp({ code, message }: ConnectError): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE' || message === 'socket hang up';
}

function isUnexpectedAnswer(error: ConnectError): boolean {
  return isHangUp(error) || error.code?.startsWith('HPE_') === true;
}

function needsTlsText(url: string): string {
  const secure = url.replace(/^(http|ws):/i, '$1s:');
  return `${url} expects TLS: use ${secure}`;
}

const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * Codes of OpenSSL and Node for certificates that fail for other reasons than an unknown issuer, with the end of the
 * sentence for each.
 */
const certificateTexts: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet; check the clock of this machine',
  CERT_REVOKED: 'was revoked',
  CERT_SIGNATURE_FAILURE: 'has a wrong signature',
  CERT_UNTRUSTED: 'is not trusted',
  CERT_REJECTED: 'was rejected',
  CERT_CHAIN_TOO_LONG: 'has too many issuers',
  INVALID_CA: 'was issued by a certificate that is not a certificate authority',
  INVALID_PURPOSE: 'is not made for a server',
  HOSTNAME_MISMATCH: 'is for another host',
};

function certificateText(url: string, { code = '', cert }: ConnectError): readonly string[] | undefined {
  const certificate = `cannot connect to ${url}: its certificate`;
  if (untrusted.has(code))
    return [
      `${certificate} is not signed by an authority that this machine trusts`,
      'For an authority of your own, set NODE_EXTRA_CA_CERTS to the file with its certificate (PEM).',
    ];
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = cert?.subjectaltname?.replaceAll(/\b(DNS|IP Address):/g, '');
    return [`${certificate} is for another host${names === undefined ? '' : ` (${names})`}`];
  }
  const text = certificateTexts[code];
  return text === undefined ? undefined : [`${certificate} ${text}`];
}

/** Reasons of OpenSSL if the other side does not speak TLS. */
const notTls: ReadonlySet<string> = new Set([
  'wrong version number',
  'packet length too long',
  'unknown protocol',
  'http request',
  'record layer failure',
]);

/**
 * Explains an error of the TLS handshake; returns undefined for other errors. Never shows the message of OpenSSL, which
 * names files of its sources.
 */
function tlsText(url: string, { code = '', reason, library, message }: ConnectError): readonly string[] | undefined {
  if (!code.startsWith('ERR_SSL_') && code !== 'EPROTO' && library !== 'SSL routines') return undefined;
  const cause = reason ?? /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] ?? code;
  if (notTls.has(cause)) {
    const plain = url.replace(/^(http|ws)s:/i, '$1:');
    return [`${url} does not answer with TLS: use ${plain}`];
  }
  return [`cannot connect to ${url}: the TLS handshake failed: ${cause}`];
}

const probeMs = 3_000;

/** Resolves with true if the address does not use TLS but the server expects it. */
async function needsTls({ url, socketPath }: GatewayAddress): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  if (socketPath !== undefined || /s:$/.test(protocol)) return false;
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    // Verify no certificate and send no request: a completed handshake is enough.
    const socket = connect({ host, port: port === '' ? 80 : Number(port), rejectUnauthorized: false });
    const timer = setTimeout(() => socket.destroy(), probeMs);
    socket
      .once('secureConnect', () => {
        resolve(true);
        socket.destroy();
      })
      .on('error', () => socket.destroy())
      .once('close', () => {
        clearTimeout(timer);
        resolve(false);
      });
  });
}
