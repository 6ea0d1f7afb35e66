// Defines the options --url and --config of all commands that connect to a gateway.

import type { CliBackend, Stdio } from '../backend.ts';
import { exitCodes } from '../exit-codes.ts';
import { type GatewayAddress, resolveGatewayAddress } from '../gateway/address.ts';

export interface GatewayFlags {
  readonly url?: string;
  readonly config?: string;
}

export const gatewayOptionTexts = {
  url: 'address of the gateway, such as http://127.0.0.1:8080',
  config: 'configuration file that names the address',
} as const;

/** Calls `work` with the address of the gateway and returns its exit code; prints an error if there is no address. */
export async function withGateway(
  { url, config }: GatewayFlags,
  { backend, stdio }: { backend: CliBackend; stdio: Stdio },
  work: (address: GatewayAddress) => Promise<number>,
): Promise<number> {
  const address = await resolveGatewayAddress(
    { ...(url !== undefined && { url }), ...(config !== undefined && { config }), env: stdio.env },
    backend,
  );
  if ('url' in address) return work(address);
  stdio.stderr.write(`${address.error}\n`);
  return exitCodes.usage;
}
