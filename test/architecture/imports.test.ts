// Checks the imports against the dependency table in docs/architecture.md.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readTable, stripMarkup } from '../helpers/docs/markdown-tables.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Import {
  readonly file: string;
  /** A file of the project, or the name of a package. */
  readonly target: string;
  readonly typeOnly: boolean;
}

const files = ['protocol', 'calls', 'server'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js)$/.test(name))
    .map((name) => join(folder, name)),
);
const imports = files.flatMap(findImports);
const rules = readTable('architecture.md', 'Import rules').map((row) => ({
  module: stripMarkup(row['module']!),
  may: stripMarkup(row['may import']!)
    .split(/,\s*/)
    .filter((name) => name !== 'nothing'),
  types: stripMarkup(row['types of']!)
    .split(/,\s*/)
    .filter((name) => name !== ''),
}));

describe('the dependency table', () => {
  it('the dependency table has a row for every file', () => {
    const without = files.filter((file) => ruleFor(file) === undefined);
    expect(without).to.deep.equal([]);
  });

  it('the dependency table has a file for every row', () => {
    expect(rules.filter(({ module }) => !files.some((file) => isInModule(file, module)))).to.deep.equal([]);
  });

  it('every import is allowed by the dependency table', () => {
    const broken = imports.filter(({ target }) => files.includes(target)).filter((one) => !isAllowed(one));
    expect(broken.map(({ file, target }) => `${file} imports ${target}`)).to.deep.equal([]);
  });

  it('every imported file exists', () => {
    const missing = imports.filter(
      ({ target }) => /^(protocol|calls|server)\//.test(target) && !files.includes(target),
    );
    expect(missing.map(({ file, target }) => `${file} imports ${target}`)).to.deep.equal([]);
  });

  it('imports have no cycles', () => {
    expect(findCycles()).to.deep.equal([]);
  });

  it('protocol and calls do not import Node', () => {
    const broken = imports.filter(({ file, target }) => !file.startsWith('server/') && target.startsWith('node:'));
    expect(broken).to.deep.equal([]);
  });

  it('protocol imports no packages', () => {
    const broken = imports.filter(({ file, target }) => file.startsWith('protocol/') && !files.includes(target));
    expect(broken).to.deep.equal([]);
  });

  it('the check finds imports and rejects forbidden ones', () => {
    expect(imports.length).to.be.greaterThan(files.length);
    expect(isAllowed({ file: 'protocol/codec.ts', target: 'server/gateway.ts', typeOnly: true })).to.equal(false);
    expect(isAllowed({ file: 'server/runs/run.ts', target: 'server/session/session.ts', typeOnly: false })).to.equal(
      false,
    );
  });
});

function findImports(file: string): readonly Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = [
    ...text.matchAll(
      /^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
    ),
  ];
  return found.map(([, type, from, bare, dynamic]) => {
    const target = (from ?? bare ?? dynamic)!;
    return {
      file,
      target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
      typeOnly: type !== undefined,
    };
  });
}

function isAllowed({ file, target, typeOnly }: Import): boolean {
  const rule = ruleFor(file);
  if (rule === undefined) return false;
  const sameModule = ruleFor(target)?.module === rule.module;
  return (
    sameModule ||
    [...rule.may, ...(typeOnly ? rule.types : [])].some(
      (module) => module === 'everything' || isInModule(target, module),
    )
  );
}

/** Returns the most specific row of the table for a file. */
function ruleFor(file: string) {
  return rules.filter(({ module }) => isInModule(file, module)).sort((a, b) => b.module.length - a.module.length)[0];
}

function isInModule(file: string, module: string): boolean {
  return file === module || file.startsWith(`${module}/`);
}

/** Returns the cycles among the files, type imports included. */
function findCycles(): readonly string[] {
  const next = new Map(
    files.map((file) => [
      file,
      imports.filter((one) => one.file === file && files.includes(one.target)).map(({ target }) => target),
    ]),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) return void found.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}
