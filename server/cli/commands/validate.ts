// `distillery validate FILE`: is this configuration good, and if not, everything that is wrong with it.

import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { hasColour } from '../paint.ts';
import type { Ends, House } from '../parts.ts';

export function validateCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('validate')
    .summary('check a configuration file')
    .description('Check a configuration file and print every problem in it, with line and column. Nothing is started.')
    .argument('<file>', 'the file, such as distillery.yaml')
    .addHelpText('after', '\nExit codes: 0 valid, 2 not valid.\n\nExample:\n  $ distillery validate distillery.yaml')
    .action(async (file: string) => exit(await validate(file, house, ends)));
}

async function validate(file: string, house: House, ends: Ends): Promise<number> {
  const loaded = await house.loadConfig(file);
  if (!loaded.ok) {
    ends.stderr.write(`${loaded.complain(hasColour(ends.stderr, ends.env)).trimEnd()}\n`);
    return exitCodes.usage;
  }
  const { calls, systems, http } = loaded.config;
  const api = http.api ? `API on at ${http.host}:${http.port}` : 'API off';
  ends.stdout.write(`${file}: valid (${count(calls.length, 'call')}, ${count(systems.length, 'system')}, ${api})\n`);
  return exitCodes.succeeded;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
