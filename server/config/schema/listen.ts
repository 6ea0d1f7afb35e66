// Parses listen addresses and checks that they are allowed.

import { isIPv4 } from 'node:net';
import { quote } from '../../../calls/text/quote.ts';

export const defaultListen = '127.0.0.1:8080';

/** A parsed listen address. Port 0 selects a free port. */
export type Listen =
  | { readonly ok: true; readonly host: string; readonly port: number }
  | { readonly ok: false; readonly message: string };

/** Parses `host:port`, with IPv6 addresses in brackets. Rejects any address that is not loopback. */
export function checkListen(listen: string): Listen {
  const read = parseListen(listen, defaultListen);
  if (!read.ok || isLoopback(read)) return read;
  return invalidListen(
    listen,
    'is not a loopback address; authentication is not available yet, so use 127.0.0.0/8, [::1] or localhost',
  );
}

/** Parses `host:port` for a compat API, which may have a token of its own. With `open`, any address is allowed. */
export function checkCompatListen(listen: string, { open }: { readonly open: boolean }): Listen {
  const read = parseListen(listen, '127.0.0.1:8081');
  if (!read.ok || open || isLoopback(read)) return read;
  return invalidListen(
    listen,
    'is not a loopback address, and anyone who reaches it could run any pipeline; set a token, or ' +
      'set allowUnauthenticated: true if you want that',
  );
}

function parseListen(listen: string, example: string): Listen {
  const [, bracketed, named, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? named;
  const port = Number(digits);
  if (!host || !(port <= 65_535))
    return invalidListen(listen, `is not a listen address; write host:port, such as ${example} or [::1]:8080`);
  return { ok: true, host, port };
}

function invalidListen(listen: string, why: string): Listen {
  return { ok: false, message: `${quote(listen)} ${why}` };
}

/** Returns true for an address that only this machine can reach. */
function isLoopback({ host }: { readonly host: string }): boolean {
  return host === '::1' || host.toLowerCase() === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
}
