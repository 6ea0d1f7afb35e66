// Who may import whom: docs/architecture.md says it, and the code is held to it.

import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plain, tableUnder } from '../helpers/documents.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Import {
  readonly file: string;
  /** A file of the project, or the name of a package. */
  readonly target: string;
  readonly typeOnly: boolean;
}

const files = ['protocol', 'calls', 'server'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(ts|js)$/.test(name)).map((name) => join(folder, name)));
const imports = files.flatMap(importsOf);
const rules = tableUnder('architecture.md', 'Who may import whom').map((row) => ({
  room: plain(row['room']!),
  may: plain(row['may import']!).split(/,\s*/).filter((name) => name !== 'nothing'),
  types: plain(row['types of']!).split(/,\s*/).filter((name) => name !== ''),
}));

describe('the storeys', () => {
  it('has a rule for every room', () => {
    const without = files.filter((file) => ruleFor(file) === undefined);
    expect(without).to.deep.equal([]);
  });

  it('has a room for every rule', () => {
    expect(rules.filter(({ room }) => !files.some((file) => isIn(file, room)))).to.deep.equal([]);
  });

  it('imports only what its rule allows', () => {
    const broken = imports.filter(({ target }) => files.includes(target)).filter((one) => !allowed(one));
    expect(broken.map(({ file, target }) => `${file} imports ${target}`)).to.deep.equal([]);
  });

  it('imports no file that is not there', () => {
    const missing = imports.filter(({ target }) => /^(protocol|calls|server)\//.test(target) && !files.includes(target));
    expect(missing.map(({ file, target }) => `${file} imports ${target}`)).to.deep.equal([]);
  });

  it('has no cycles', () => {
    expect(cycles()).to.deep.equal([]);
  });

  it('keeps Node out of protocol and calls', () => {
    const broken = imports.filter(({ file, target }) => !file.startsWith('server/') && target.startsWith('node:'));
    expect(broken).to.deep.equal([]);
  });

  it('keeps packages out of protocol', () => {
    const broken = imports.filter(({ file, target }) => file.startsWith('protocol/') && !files.includes(target));
    expect(broken).to.deep.equal([]);
  });

  it('sees the imports there are', () => {
    expect(imports.length).to.be.greaterThan(files.length);
    expect(allowed({ file: 'protocol/codec.ts', target: 'server/gateway.ts', typeOnly: true })).to.equal(false);
    expect(allowed({ file: 'server/runs/run.ts', target: 'server/session/session.ts', typeOnly: false })).to.equal(false);
  });
});

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = [...text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm)];
  return found.map(([, type, from, bare, dynamic]) => {
    const target = (from ?? bare ?? dynamic)!;
    return { file, target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target, typeOnly: type !== undefined };
  });
}

function allowed({ file, target, typeOnly }: Import): boolean {
  const rule = ruleFor(file);
  if (rule === undefined) return false;
  const near = ruleFor(target)?.room === rule.room;
  return near || [...rule.may, ...(typeOnly ? rule.types : [])].some((room) => room === 'everything' || isIn(target, room));
}

/** The most exact rule. */
function ruleFor(file: string) {
  return rules.filter(({ room }) => isIn(file, room)).sort((a, b) => b.room.length - a.room.length)[0];
}

function isIn(file: string, room: string): boolean {
  return file === room || file.startsWith(`${room}/`);
}

/** Chains of files that import each other, types included. */
function cycles(): readonly string[] {
  const next = new Map(files.map((file) => [file, imports.filter((one) => one.file === file && files.includes(one.target)).map(({ target }) => target)]));
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
