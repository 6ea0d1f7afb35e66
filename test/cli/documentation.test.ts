// docs/cli.md has every command, option and exit code that there is, and none that there is not.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect } from 'chai';
import { exitCodes } from '../../server/cli/exit-codes.ts';
import type { House } from '../../server/cli/parts.ts';
import { buildProgram } from '../../server/cli/program.ts';

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const house: House = {
  version: '0',
  loadConfig: () => Promise.reject(new Error('not asked for')),
  readPipeline: () => Promise.reject(new Error('not asked for')),
  kindOfFile: () => Promise.reject(new Error('not asked for')),
  checkListen: () => ({ ok: false, message: 'not asked for' }),
  startGateway: () => Promise.reject(new Error('not asked for')),
};

describe('docs/cli.md', () => {
  const program = buildProgram(house, process, () => {});
  const commands = [program, ...program.commands];

  it('has a section for every command, and no other', () => {
    const titles = [...text.matchAll(/^## (.*)$/gm)].map((match) => match[1]);
    expect(titles).to.have.members(commands.map(nameOf));
  });

  for (const command of commands) {
    it(`has the options of "${nameOf(command)}", and no others`, () => {
      const options = command.createHelp().visibleOptions(command).map((option) => option.flags);
      expect(firstColumn(nameOf(command), 'option').map((cell) => cell.replaceAll('`', ''))).to.have.members(options);
    });
  }

  it('has the exit codes of a call', () => {
    const documented = firstColumn('distillery call', 'exit code').filter((cell) => /^\d+$/.test(cell)).map(Number);
    expect(documented).to.have.members([...new Set(Object.values(exitCodes))]);
  });
});

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
}

/** Of the table in `section` whose first heading is `heading`. */
function firstColumn(section: string, heading: string): readonly string[] {
  const body = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? '';
  const table = body.split('\n\n').find((part) => part.startsWith(`| ${heading} |`)) ?? '';
  return table.trim().split('\n').slice(2).map((row) => row.split('|')[1]?.trim() ?? '');
}
