// Defines the command line: its commands, their help, and how usage errors end.

import { Command, CommanderError } from 'commander';
import type { CliBackend, Stdio } from './backend.ts';
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
import { hideCredentials } from './gateway/address.ts';

const helpFooter = `
Examples:
  $ distillery serve
  $ distillery call greet world
  $ distillery run pipeline.yaml
  $ distillery runs
  $ distillery validate distillery.yaml`;

/** Runs one command. Resolves with the exit code of this process. */
export async function runProgram(argv: readonly string[], backend: CliBackend, stdio: Stdio): Promise<number> {
  let exitCode: number = exitCodes.succeeded;
  const program = buildProgram(backend, stdio, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander also throws for help and version, with exit code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.succeeded : exitCodes.usage;
    throw error;
  }
}

/** `exit` is called with the exit code when a command ends. */
export function buildProgram(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  const program = new Command('distillery')
    .description(
      'Starts long-running work over a websocket, streams it line by line, cancels it, and reports a verified result.',
    )
    .version(backend.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .showHelpAfterError('(see --help for usage)')
    .configureOutput({
      writeOut: (text) => stdio.stdout.write(text),
      writeErr: (text) => stdio.stderr.write(hideCredentials(text)),
    })
    .exitOverride()
    .addHelpText('after', helpFooter);
  for (const createCommand of [
    serveCommand,
    callCommand,
    runCommand,
    attachCommand,
    logsCommand,
    runsCommand,
    cancelCommand,
    planCommand,
    validateCommand,
    initCommand,
  ]) {
    const command = createCommand(backend, stdio, exit).copyInheritedSettings(program);
    if (createCommand === callCommand)
      command.showHelpAfterError('(see --help for usage; put a param that begins with a dash after "--")');
    program.addCommand(command);
  }
  return program;
}
