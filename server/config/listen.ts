// Where the gateway may listen.

import { isIPv4 } from 'node:net';
import { quote } from '../../calls/contract/quote.ts';

export const defaultListen = '127.0.0.1:8080';

export type Listen =
  | { readonly ok: true; readonly host: string; /** 0 picks a free port. */ readonly port: number }
  | { readonly ok: false; readonly message: string };

/** Reads `host:port`; IPv6 in brackets. Anything but a loopback address is refused with the reason. */
export function checkListen(listen: string): Listen {
  const read = readListen(listen, defaultListen);
  if (!read.ok || isLoopback(read)) return read;
  return refused(listen, 'is not a loopback address; authentication is not available yet, so only 127.0.0.0/8, [::1] and localhost may be used');
}

/** As `checkListen`, for a door that has a token of its own. `open`: it may be reached from everywhere. */
export function checkDoorListen(listen: string, { open }: { readonly open: boolean }): Listen {
  const read = readListen(listen, '127.0.0.1:8081');
  if (!read.ok || open || isLoopback(read)) return read;
  return refused(listen, 'is not a loopback address, and whoever reaches it could run what they like; give the door a token, or write withoutToken: true if that is meant');
}

function readListen(listen: string, example: string): Listen {
  const [, bracketed, named, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? named;
  const port = Number(digits);
  if (!host || !(port <= 65_535)) return refused(listen, `is not an address to listen on; write host:port, such as ${example} or [::1]:8080`);
  return { ok: true, host, port };
}

function refused(listen: string, why: string): Listen {
  return { ok: false, message: `${quote(listen)} ${why}` };
}

/** Also for the doors, which tell a loud warning where it is not. */
export function isLoopback({ host }: { readonly host: string }): boolean {
  return host === '::1' || host.toLowerCase() === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
}
