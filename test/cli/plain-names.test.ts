import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const hook = new URL('../../server/cli/plain-names.js', import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Prints how functions are given their names, and the names of some. */
const program = `
class Sailor { readonly #hail = () => 1; greet(): number { return this.#hail(); } }
class Lost extends Error { override readonly name = 'Lost'; }
function waves(count: number): number { return count; }
console.log(JSON.stringify([String(eval('typeof __name === "undefined" ? "" : __name')), Sailor.name, waves.name, String(new Lost('at sea')), new Sailor().greet()]));
`;

describe('TypeScript as the command reads it', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'names-'));
    await writeFile(join(folder, 'program.mts'), program);
  });

  after(() => rm(folder, { recursive: true }));

  async function told(withHook: boolean): Promise<readonly unknown[]> {
    const script = `
      const { register } = await import('tsx/esm/api');
      register();
      ${withHook ? `(await import('node:module')).register(${JSON.stringify(hook.href)});` : ''}
      await import(${JSON.stringify(pathToFileURL(join(folder, 'program.mts')).href)});`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
    return JSON.parse(stdout) as unknown[];
  }

  it('has classes and functions named by the language alone', async () => {
    expect(await told(true)).to.deep.equal(['target=>target', 'Sailor', 'waves', 'Lost: at sea', 1]);
  });

  it('would have them named by a call for each, as long as tsx does so', async () => {
    const [helper] = await told(false);
    expect(helper).to.contain('__defProp');
  });
});
