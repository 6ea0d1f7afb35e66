// What all commands share that speak to a gateway: the options that say where it is, and the complaint when they do not.

import { gatewayAddress } from '../call/address.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Ends, House } from '../parts.ts';

export interface WhereFlags {
  readonly url?: string;
  readonly config?: string;
}

export const whereTexts = {
  url: 'the gateway, such as http://127.0.0.1:8080',
  config: 'the configuration that says where the gateway listens',
} as const;

/** Does `work` with the address of the gateway, and gives its exit code; or says what is wrong with the options. */
export async function atGateway({ url, config }: WhereFlags, { house, ends }: { house: House; ends: Ends }, work: (url: string) => Promise<number>): Promise<number> {
  const address = await gatewayAddress({ ...(url !== undefined && { url }), ...(config !== undefined && { config }), env: ends.env }, house);
  if ('url' in address) return work(address.url);
  ends.stderr.write(`${address.problem}\n`);
  return exitCodes.usage;
}
