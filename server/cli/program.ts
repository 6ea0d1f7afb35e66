// The command line as a whole: the commands, their help, and what becomes of mistakes in it.

import { Command, CommanderError } from 'commander';
import { attachCommand } from './commands/attach.ts';
import { callCommand } from './commands/call.ts';
import { cancelCommand } from './commands/cancel.ts';
import { initCommand } from './commands/init.ts';
import { logsCommand } from './commands/logs.ts';
import { planCommand } from './commands/plan.ts';
import { runCommand } from './commands/run.ts';
import { runsCommand } from './commands/runs.ts';
import { serveCommand } from './commands/serve.ts';
import { validateCommand } from './commands/validate.ts';
import { exitCodes } from './exit-codes.ts';
import type { Ends, House } from './parts.ts';

/** Runs one command; resolves with the exit code of this process. */
export async function runProgram(argv: readonly string[], house: House, ends: Ends): Promise<number> {
  let exitCode: number = exitCodes.succeeded;
  const program = buildProgram(house, ends, (code) => { exitCode = code; });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Help and version end by an exception as well, with exit code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.succeeded : exitCodes.usage;
    throw error;
  }
}

/** `exit` is told the exit code when a command is done. */
export function buildProgram(house: House, ends: Ends, exit: (code: number) => void): Command {
  const program = new Command('distillery')
    .description('Start long-running work over a websocket, watch it line by line, stop it, and be told the truth about how it ended.')
    .version(house.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .showHelpAfterError('(--help shows how it is used; a param that begins with a dash goes after "--")')
    .configureOutput({ writeOut: (text) => ends.stdout.write(text), writeErr: (text) => ends.stderr.write(text) })
    .exitOverride()
    .addHelpText('after', '\nExamples:\n  $ distillery serve\n  $ distillery call greet world\n  $ distillery run pipeline.yaml\n  $ distillery runs\n  $ distillery validate distillery.yaml');
  for (const make of [serveCommand, callCommand, runCommand, attachCommand, logsCommand, runsCommand, cancelCommand, planCommand, validateCommand, initCommand]) {
    program.addCommand(make(house, ends, exit).copyInheritedSettings(program));
  }
  return program;
}
