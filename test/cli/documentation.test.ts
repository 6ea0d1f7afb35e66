// Compares docs/cli.md with the commands, options and exit codes.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Command } from 'commander';
import type { CliBackend } from '../../server/cli/backend.ts';
import { exitCodes } from '../../server/cli/exit-codes.ts';
import { buildProgram } from '../../server/cli/program.ts';

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const backend: CliBackend = {
  version: '0',
  loadConfig: () => Promise.reject(new Error('not asked for')),
  readListen: () => Promise.reject(new Error('not asked for')),
  readPipeline: () => Promise.reject(new Error('not asked for')),
  detectFileKind: () => Promise.reject(new Error('not asked for')),
  checkListen: () => ({ ok: false, message: 'not asked for' }),
  startGateway: () => Promise.reject(new Error('not asked for')),
  startPrivateGateway: () => Promise.reject(new Error('not asked for')),
};

describe('docs/cli.md', () => {
  const program = buildProgram(backend, process, () => {});
  const commands = [program, ...program.commands];

  it('docs/cli.md has one section per command, and no others', () => {
    const titles = [...text.matchAll(/^## (.*)$/gm)].map((match) => match[1]);
    expect(titles).to.have.members(commands.map(commandName));
  });

  for (const command of commands) {
    it(`docs/cli.md lists exactly the options of "${commandName(command)}"`, () => {
      const options = command
        .createHelp()
        .visibleOptions(command)
        .map((option) => option.flags);
      expect(firstColumn(commandName(command), 'option').map((cell) => cell.replaceAll('`', ''))).to.have.members(
        options,
      );
    });
  }

  it('docs/cli.md lists the exit codes of a call', () => {
    const documented = firstColumn('distillery call', 'exit code')
      .filter((cell) => /^\d+$/.test(cell))
      .map(Number);
    expect(documented).to.have.members([...new Set(Object.values(exitCodes))]);
  });
});

function commandName(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
}

/** Returns the cells of the column `heading`, which is the first column of a table in `section`. */
function firstColumn(section: string, heading: string): readonly string[] {
  const body = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? '';
  const table = body.split('\n\n').find((part) => part.startsWith(`| ${heading} |`)) ?? '';
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) => row.split('|')[1]?.trim() ?? '');
}
