// Every check of `npm run check` finds a bad sample: a check that cannot fail proves nothing.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { checkFile, checkFolders } from '../../.ci/check-text.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('the checks of npm run check', function () {
  this.timeout(60_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'checks-'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const name of ['biome.jsonc', 'knip.jsonc', 'tsconfig.json'])
      copyFileSync(join(root, name), join(folder, name));
    spawnSync('git', ['init', '--quiet'], { cwd: folder });
    writeFiles({ '.gitignore': 'node_modules\n', 'package.json': '{ "name": "sample", "type": "module" }\n' });
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function writeFiles(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  }

  /** Runs a tool in the folder of the sample. Returns its exit code and everything it printed. */
  function run(tool: string, ...args: readonly string[]): { readonly code: number | null; readonly output: string } {
    const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin', tool), args, {
      cwd: folder,
      encoding: 'utf8',
    });
    return { code: status, output: stdout + stderr };
  }

  const badSources: Readonly<Record<string, string>> = {
    noUnusedVariables: 'const unused = 1;\n',
    noUnusedImports: "import { join } from 'node:path';\n",
    noUnusedFunctionParameters: 'export function f(unused: number): number {\n  return 1;\n}\n',
    noShadow:
      'const value = 1;\nexport function f(): number {\n  const value = 2;\n  return value;\n}\nexport { value };\n',
    noExplicitAny: 'export const value: any = 1;\n',
    noFloatingPromises: 'async function f(): Promise<void> {}\nexport function g(): void {\n  f();\n}\n',
    noExcessiveCognitiveComplexity: [
      'export function f(n: number): number {\n',
      `${'  if (n > 1 && n < 3) {\n    for (;;) if (n > 2 || n < 0) return n;\n  }\n'.repeat(5)}  `,
      'return 0;\n}\n',
    ].join(''),
    noExcessiveLinesPerFunction: `export function f(log: (n: number) => void): void {\n${'  log(1);\n'.repeat(60)}}\n`,
  };

  for (const [rule, text] of Object.entries(badSources))
    it(`the linter reports a violation of ${rule}`, () => {
      writeFiles({ 'server/sample.ts': text });
      const { code, output } = run('biome', 'lint', 'server');
      expect(output).to.include(rule);
      expect(code).to.equal(1);
    });

  it('the linter reports an import cycle', () => {
    writeFiles({
      'server/a.ts': "import { b } from './b.ts';\n\nexport const a = (): number => b();\n",
      'server/b.ts': "import { a } from './a.ts';\n\nexport const b = (): number => a();\n",
    });
    const { code, output } = run('biome', 'lint', 'server');
    expect(output).to.include('noImportCycles');
    expect(code).to.equal(1);
  });

  it('the formatter reports a file that is not formatted', () => {
    writeFiles({ 'server/sample.ts': 'export const value   = "double quotes"' });
    const { code, output } = run('biome', 'format', 'server');
    expect(output).to.match(/server\/sample\.ts format/);
    expect(code).to.equal(1);
  });

  it('the linter and the formatter accept a good file', () => {
    writeFiles({ 'server/sample.ts': 'export const value = 1;\n' });
    expect(run('biome', 'check', 'server').code).to.equal(0);
  });

  it('the compiler reports a wrong type', () => {
    writeFiles({ 'server/sample.ts': "export const value: number = 'text';\n" });
    const { code, output } = run('tsc', '-p', '.');
    expect(output).to.match(/server\/sample\.ts\(1,14\): error TS2322/);
    expect(code).to.not.equal(0);
  });

  it('knip reports an unused file and an unused export', () => {
    writeFiles({
      'server/main.ts': "import { used } from './some.ts';\n\nused();\n",
      'server/some.ts': 'export function used(): void {}\nexport function deadExport(): void {}\n',
      'server/dead-file.ts': 'export const value = 1;\n',
      'package.json': '{ "name": "sample", "type": "module", "scripts": { "start": "node server/main.ts" } }\n',
    });
    const { code, output } = run('knip', '--no-progress');
    expect(output).to.match(/Unused files[^]*server\/dead-file\.ts/);
    expect(output).to.match(/Unused exports[^]*deadExport/);
    expect(code).to.equal(1);
  });
});

describe('the text check', () => {
  const check = (text: string, file = 'server/sample.ts'): readonly string[] =>
    checkFile(file, text).map(({ line, found, instead }) => `${line}: ${found}: ${instead}`);

  it('the text check names the line, the phrase and what to write instead', () => {
    expect(checkFile('server/sample.ts', '// Fine.\n/** Safe twice. */\n')).to.deep.equal([
      { file: 'server/sample.ts', line: 2, found: 'Safe twice', instead: 'Idempotent.' },
    ]);
  });

  it('the text check finds banned phrases in any case, in comments, messages and documents', () => {
    expect(check("throw new Error('Nobody reads');")).to.have.length(1);
    expect(check('The output is gone on with.', 'docs/sample.md')).to.have.length(1);
    expect(check('// One line a line.')).to.have.length(1);
  });

  it('P9: the text check finds differences of wall clock times in the sources', () => {
    expect(check('const startedMs = Date.now();')).to.have.length(1);
    expect(check('return Date.parse(endedAt) - Date.parse(startedAt);')).not.to.have.length(0);
    expect(check('return end.getTime() - start;')).to.have.length(1);
    expect(check('const at = new Date().toISOString();')).to.have.length(0);
  });

  it('the text check finds banned words in prose and as parts of names, but not inside other words', () => {
    expect(check('const pinDoor = openDoors();')).to.have.length(2);
    expect(check('const heartbeat = 1; // a bathroom, indoors')).to.deep.equal([]);
  });

  it('the text check finds replaced names as whole identifiers', () => {
    expect(check('limits.owedBytesMax')).to.deep.equal(['1: owedBytesMax: pendingWriteBytesMax']);
    expect(check('limits.pendingWriteBytesMax')).to.deep.equal([]);
  });

  it('the text check finds names of banned shapes, such as RunParts and nameOf', () => {
    expect(check('export interface RunParts {}')).to.have.length(1);
    expect(check('function nameOf(run: Run): string {')).to.have.length(1);
    expect(check('const it = create();')).to.have.length(1);
    expect(check("it('starts a run', () => {});", 'test/sample.test.ts')).to.deep.equal([]);
  });

  it('the text check finds unseeded randomness and wall clocks in tests only', () => {
    expect(check('const n = Math.random();', 'test/sample.test.ts')).to.have.length(1);
    expect(check('const n = Math.random();')).to.deep.equal([]);
  });

  it('the text check finds lines that are too long, but not tables and code blocks in documents', () => {
    const long = 'x '.repeat(61);
    expect(check(`// ${long}`)).to.have.length(1);
    expect(check(long, 'docs/sample.md')).to.have.length(1);
    expect(check(`| ${long} |\n\`\`\`\n${long}\n\`\`\`\n`, 'docs/sample.md')).to.deep.equal([]);
  });

  it('the text check finds folders with too many files, but not folders whose files are all of one kind', () => {
    const files = (folder: string): readonly string[] => Array.from({ length: 21 }, (_, at) => `${folder}/${at}.ts`);
    expect(checkFolders(files('server/runs')).map(({ file }) => file)).to.deep.equal(['server/runs']);
    expect(checkFolders(files('server/http/routes'))).to.deep.equal([]);
    expect(checkFolders(files('server/runs').slice(1))).to.deep.equal([]);
  });
});
