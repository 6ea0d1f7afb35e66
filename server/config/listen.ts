// Where the gateway may listen.

import { isIPv4 } from 'node:net';
import { quote } from '../../calls/contract/quote.ts';

export const defaultListen = '127.0.0.1:8080';

export type Listen =
  | { readonly ok: true; readonly host: string; /** 0 picks a free port. */ readonly port: number }
  | { readonly ok: false; readonly message: string };

/** Reads `host:port`; IPv6 in brackets. Anything but a loopback address is refused with the reason. */
export function checkListen(listen: string): Listen {
  const [, bracketed, named, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? named;
  const port = Number(digits);
  if (!host || !(port <= 65_535)) return refused(listen, `is not an address to listen on; write host:port, such as ${defaultListen} or [::1]:8080`);
  if (!isLoopback(host, bracketed !== undefined)) {
    return refused(listen, 'is not a loopback address; authentication is not available yet, so only 127.0.0.0/8, [::1] and localhost may be used');
  }
  return { ok: true, host, port };
}

function refused(listen: string, why: string): Listen {
  return { ok: false, message: `${quote(listen)} ${why}` };
}

function isLoopback(host: string, bracketed: boolean): boolean {
  if (bracketed) return host === '::1';
  return host.toLowerCase() === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
}
