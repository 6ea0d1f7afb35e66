// Tests the executable: it runs the build or the sources, and no code that another user planted.

import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Source of a main module that prints `form`, its arguments, and the names of its class and function at runtime. */
const source = (form: string): string => `
class Sailor { readonly #hail = () => 1; greet(): number { return this.#hail(); } }
function waves(count: number): number { return count; }
export async function main(args: readonly string[]): Promise<number> {
  const names = [Sailor.name, waves.name, typeof __name];
  console.log(JSON.stringify([${JSON.stringify(form)}, ...args, ...names, new Sailor().greet()]));
  return 3;
}`;

describe('the executable', function () {
  this.timeout(60_000);
  let folder: string;
  let temporary: string;
  let workingFolder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'executable-'));
    temporary = join(folder, 'tmp');
    workingFolder = root;
    for (const name of ['calls', 'protocol', 'server/support', 'tmp'])
      await mkdir(join(folder, name), { recursive: true });
    for (const file of ['server/bin.js', 'server/support/import-bundled.ts'])
      await cp(join(root, file), join(folder, file));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'server/main.ts'), source('source'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Sets the modification time of a file to `age` seconds ago. A negative age is in the future. */
  async function setAge(file: string, age: number): Promise<void> {
    const time = (performance.timeOrigin + performance.now()) / 1_000 - age;
    await utimes(file, time, time);
  }

  async function build(age: number): Promise<void> {
    await mkdir(join(folder, 'dist'));
    const file = join(folder, 'dist/main.js');
    await writeFile(file, `export const main = async () => { console.log('["build"]'); return 0; };`);
    await setAge(file, age);
  }

  async function run(...args: readonly string[]): Promise<{ readonly printed: unknown[]; readonly code: number }> {
    const child = promisify(execFile)(process.execPath, [join(folder, 'server/bin.js'), ...args], {
      env: { ...process.env, TMPDIR: temporary },
      cwd: workingFolder,
    });
    const {
      stdout,
      stderr,
      code = 0,
    } = (await child.catch((error: unknown) => error)) as {
      readonly stdout: string;
      readonly stderr: string;
      readonly code?: number;
    };
    expect(stderr).to.equal('');
    return { printed: JSON.parse(stdout) as unknown[], code };
  }

  it('the executable names the missing file of an incomplete build, and says to install again', async () => {
    await build(0);
    await writeFile(join(folder, 'dist/files.json'), '["main.js","chunk-ABC.js"]');
    await rm(join(folder, 'server/main.ts'));
    const { status: code, stderr } = spawnSync(process.execPath, [join(folder, 'server/bin.js')], { encoding: 'utf8' });
    expect(code).to.equal(125);
    expect(stderr).to.match(
      /^distillery: \S+dist\/ is incomplete, chunk-ABC\.js is missing; install the package "\S+" again\n$/,
    );
  });

  it('the executable runs the sources if a file of the build is missing', async () => {
    await build(-10);
    expect((await run('x')).printed[0]).to.equal('build');
    await writeFile(join(folder, 'dist/files.json'), '["main.js","chunk-ABC.js"]');
    expect((await run('x')).printed[0]).to.equal('source');
  });

  it('the executable runs the TypeScript, with its exit code, if there is no build', async () => {
    expect(await run('a', 'b c')).to.deep.equal({
      printed: ['source', 'a', 'b c', 'Sailor', 'waves', 'undefined', 1],
      code: 3,
    });
  });

  it('the executable runs the build if it is newer than every source', async () => {
    await build(-5);
    expect(await run()).to.deep.equal({ printed: ['build'], code: 0 });
  });

  it('the executable runs the TypeScript if a source was changed after the build', async () => {
    await build(60);
    expect((await run()).printed[0]).to.equal('source');
  });

  it('the executable runs the TypeScript if a source was added, renamed or removed after the build', async () => {
    await build(30);
    const folders = ['calls', 'protocol', 'server', 'server/support'];
    const files = ['server/bin.js', 'server/main.ts', 'server/support/import-bundled.ts'];
    for (const name of [...files, ...folders]) await setAge(join(folder, name), 60);
    expect((await run()).printed[0]).to.equal('build');
    await writeFile(join(folder, 'calls/new.ts'), '');
    await rm(join(folder, 'calls/new.ts'));
    expect((await run()).printed[0]).to.equal('source');
  });

  it('the executable runs the build if there are no sources, as in an installed package', async () => {
    await build(60);
    for (const name of ['calls', 'protocol', 'server/support', 'server/main.ts'])
      await rm(join(folder, name), { recursive: true });
    expect((await run()).printed).to.deep.equal(['build']);
  });

  it('the executable ignores the package.json and tsconfig.json of the folder in which it runs', async () => {
    workingFolder = join(folder, 'work');
    for (const name of ['package.json', 'tsconfig.json']) {
      await mkdir(workingFolder);
      await writeFile(join(workingFolder, name), '{ "type": ');
      expect((await run()).printed[0], name).to.equal('source');
      await rm(workingFolder, { recursive: true });
    }
  });

  it('S2: the executable ignores caches planted in the temporary folder, and leaves nothing there', async () => {
    const planted = [`tsx-${process.getuid!()}`, 'node-compile-cache', 'esbuild'];
    for (const name of planted) {
      await mkdir(join(temporary, name), { mode: 0o777 });
      await writeFile(join(temporary, name, 'planted.js'), 'process.exit(66);');
    }
    expect((await run()).printed[0]).to.equal('source');
    expect(await readdir(temporary)).to.have.members(planted);
    for (const name of planted) expect(await readdir(join(temporary, name))).to.deep.equal(['planted.js']);
  });

  it('S2: the executable runs the TypeScript if the temporary folder is unsafe or missing', async () => {
    for (const folderForAll of [join(folder, 'open'), join(folder, 'missing')]) {
      temporary = folderForAll;
      if (folderForAll.endsWith('open')) {
        await mkdir(folderForAll);
        await promisify(execFile)('chmod', ['0777', folderForAll]);
      }
      expect((await run()).printed[0]).to.equal('source');
    }
  });

  it('stack traces of the executable show lines of the TypeScript', async () => {
    await writeFile(
      join(folder, 'server/main.ts'),
      `interface Unused {
  a: 1;
}

export function main(): string {
  console.log(JSON.stringify([new Error("here").stack]));
  return "0";
}
`,
    );
    expect((await run()).printed[0]).to.match(/server\/main\.ts:6:\d+/);
  });
});

describe('the build', () => {
  it('the build contains no calls of the helper __name', async () => {
    const dist = join(root, 'dist');
    for (const name of (await readdir(dist)).filter((file) => file.endsWith('.js')))
      expect(await readFile(join(dist, name), 'utf8'), name).not.to.match(/\b__name\(/);
  });
});
