// Decides whether other machines can reach the pin API, and what the API then allows.

import { isIPv4 } from 'node:net';
import type { PinOptions } from './deps.ts';

type Exposure = Pick<PinOptions, 'listen' | 'prefix' | 'token' | 'allowUnauthenticated'>;

/**
 * Returns whether other machines can reach the API: on its own address or, under a prefix, on the address of the
 * gateway.
 */
export function isExposed({ listen, prefix }: Exposure, gatewayHost: string): boolean {
  return [listen?.host, prefix === undefined ? undefined : gatewayHost].some(
    (host) => host !== undefined && !isLoopback(host),
  );
}

/** Returns why the API must not open; undefined if it may. */
export function exposureError(options: Exposure, gatewayHost: string): string | undefined {
  if (!isExposed(options, gatewayHost) || options.token !== undefined || options.allowUnauthenticated) return undefined;
  return [
    'compat.pin can be reached from other machines, and every client there could run any ',
    'command; set token, or allowUnauthenticated: true if this is intended',
  ].join('');
}

/**
 * Returns whether host jobs are allowed. They never are if other machines can reach the API without a token, even if
 * the option allows them.
 */
export function allowsHostJobs(options: Exposure & Pick<PinOptions, 'allowHostJobs'>, gatewayHost: string): boolean {
  return options.allowHostJobs && (options.token !== undefined || !isExposed(options, gatewayHost));
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.toLowerCase() === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
}
