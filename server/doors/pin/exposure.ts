// Who can reach the door, and what follows from that.

import { isIPv4 } from 'node:net';
import type { PinOptions } from './parts.ts';

type Exposure = Pick<PinOptions, 'listen' | 'prefix' | 'token' | 'withoutToken'>;

/** From other machines: by an address of its own, or, under a prefix, by that of the gateway's own server. */
export function isExposed({ listen, prefix }: Exposure, gatewayHost: string): boolean {
  return [listen?.host, prefix === undefined ? undefined : gatewayHost].some((host) => host !== undefined && !isLoopback(host));
}

/** Why the door must not be opened; undefined when it may. */
export function refusalToOpen(options: Exposure, gatewayHost: string): string | undefined {
  if (!isExposed(options, gatewayHost) || options.token !== undefined || options.withoutToken) return undefined;
  return 'doors.pin can be reached from other machines, and whoever reaches it could run what they like; give it a token, or write withoutToken: true if that is meant';
}

/** Not for strangers, whatever the options say. */
export function allowsHostJobs(options: Exposure & Pick<PinOptions, 'allowHostJobs'>, gatewayHost: string): boolean {
  return options.allowHostJobs && (options.token !== undefined || !isExposed(options, gatewayHost));
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.toLowerCase() === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
}
