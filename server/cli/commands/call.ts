// `distillery call NAME [PARAM…]`: makes a call and stays with its run to the end.

import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { gatewayAddress } from '../call/address.ts';
import { runCall } from '../call/run-call.ts';
import type { Ends, House } from '../parts.ts';

interface CallFlags {
  readonly url?: string;
  readonly config?: string;
  readonly quiet?: true;
  readonly stdin: boolean;
  readonly result?: string;
}

const after = `
Where the gateway is: --url, else --config, else the environment variable DISTILLERY_URL, else http.listen of
./distillery.yaml, else http://127.0.0.1:8080.

Ctrl-C cancels the run and waits until everything it started is gone; a second one skips the grace; a third one leaves
at once. Params that begin with a dash go after "--".

Exit codes: 0 succeeded; the work's own when it failed (128 + n for signal n, 1 when there is none); 2 rejected;
124 timed out; 125 unknown, or the gateway cannot be reached; 130 cancelled.

Examples:
  $ distillery call greet world
  $ distillery call count < words.txt | head -1
  $ distillery call --url http://127.0.0.1:9090 --quiet greet world
  $ distillery call greet -- --world`;

export function callCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('call')
    .summary('make a call and watch its run')
    .description('Make a call. Its output goes to stdout line by line, its status to stderr, stdin is its input.')
    .argument('<name>', 'the call')
    .argument('[param...]', 'its params, in order')
    .option('--url <url>', 'the gateway, such as http://127.0.0.1:8080')
    .option('--config <file>', 'the configuration that says where the gateway listens')
    .option('-q, --quiet', 'no status on stderr')
    .option('-n, --no-stdin', 'do not read stdin; the input of the run ends at once')
    .option('--result <file>', 'write the result to this file as JSON; "-" is stderr')
    .addHelpText('after', after)
    .action(async (name: string, params: string[], flags: CallFlags) => exit(await call(name, params, { flags, house, ends })));
}

interface CallParts {
  readonly flags: CallFlags;
  readonly house: House;
  readonly ends: Ends;
}

async function call(name: string, params: readonly string[], { flags, house, ends }: CallParts): Promise<number> {
  const { url, config, result } = flags;
  const address = await gatewayAddress({ ...(url !== undefined && { url }), ...(config !== undefined && { config }), env: ends.env }, house);
  if ('problem' in address) {
    ends.stderr.write(`${address.problem}\n`);
    return exitCodes.usage;
  }
  const quiet = flags.quiet === true;
  return runCall({ call: name, params, url: address.url, quiet, stdin: flags.stdin, ...(result !== undefined && { resultFile: result }) }, ends);
}
