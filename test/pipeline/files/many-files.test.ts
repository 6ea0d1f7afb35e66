// Tests that all work on a workspace with many files yields to the event loop, so that the gateway serves other clients
// meanwhile.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import type { WorkspaceSource } from '../../../calls/contract/engines.ts';
import { toBase64Lines } from '../../../server/archive/base64-lines.ts';
import { compress } from '../../../server/archive/gzip.ts';
import { packFolder } from '../../../server/archive/pack.ts';
import { walkFolder } from '../../../server/archive/walk-folder.ts';
import { filterTracked } from '../../../server/cli/pipeline/tracked-files.ts';
import { sendFolder } from '../../../server/cli/pipeline/upload-folder.ts';
import {
  artifactRequests,
  buildContext,
  createArtifacts,
  openWorkspace,
  packWorkspace,
  releaseFolder,
} from '../../../server/pipeline/files/files.ts';
import { readBytes, useTempFolder, writeFiles } from '../../helpers/archive/file-trees.ts';
import { countTurns } from '../../helpers/count-turns.ts';
import { fakePorts } from '../../helpers/runs/fake-run-ports.ts';

const count = 300;
/** The work handles at most this many files per turn of the event loop, on average. */
const filesPerTurn = 32;
const limits = { workspaceBytesMax: 1 << 30, workspaceFilesMax: 99_000 };

for (const [form, pathOf] of [
  ['one folder', (n: number) => `file-${(n * 7) % count}`],
  ['many folders', (n: number) => `f${n % 40}/file-${n}`],
] as const)
  describe(`S14: a workspace of many files in ${form}`, function () {
    this.timeout(60_000);
    const folder = useTempFolder();
    beforeEach(() => {
      mkdirSync(folder.at('data'));
      const files = Array.from({ length: count }, (_, n): readonly [string, string] => [pathOf(n), 'x']);
      writeFiles(folder.at('ws'), { ...Object.fromEntries(files), Dockerfile: 'FROM scratch\n' });
    });

    const expectTurns = async (work: () => Promise<unknown>): Promise<void> => {
      expect(await countTurns(work)).to.be.at.least(count / filesPerTurn);
    };
    const workspace = () => ({ path: folder.at('ws'), hidden: [] });
    const archive = (): Promise<Buffer> => readBytes(packFolder(folder.at('ws')));

    /**
     * Opens a workspace whose whole input has arrived before, which is the worst case. Checks the turns of the upload
     * and of the removal.
     */
    async function expectUploadTurns(
      encoding: 'base64' | 'binary',
      pieces: readonly (string | Buffer)[],
    ): Promise<void> {
      const run = fakePorts();
      for (const piece of pieces) run.sendInput(piece);
      run.endInput();
      const source: WorkspaceSource = { from: 'input', encoding };
      await expectTurns(() => openWorkspace(source, { ports: run.ports, work: folder.at('data'), limits }));
      await expectTurns(() => run.releaseAll({ folder: releaseFolder(folder.at('data')) }));
    }

    async function toLines(bytes: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
      const lines: string[] = [];
      for await (const line of toBase64Lines(bytes, 64 << 10)) lines.push(line);
      return lines;
    }

    it('the gateway yields to the event loop while base64 lines are received and the folder is removed', async () => {
      await expectUploadTurns('base64', await toLines(packFolder(folder.at('ws'))));
    });

    it('the gateway yields to the event loop while compressed base64 lines are received', async () => {
      await expectUploadTurns('base64', await toLines(compress(packFolder(folder.at('ws')))));
    });

    it('the gateway yields to the event loop while bytes are received, as from clients of the pin API', async () => {
      await expectUploadTurns('binary', [await archive()]);
    });

    it('the gateway yields to the event loop while a folder of this machine is copied into a job', async () => {
      await expectTurns(() => readBytes(packWorkspace(workspace(), { ignore: [], artifacts: [] })));
    });

    it('the gateway yields to the event loop while a build context is read', async () => {
      await expectTurns(async () => readBytes((await buildContext(workspace(), 'Dockerfile')).archive));
    });

    it('the gateway yields to the event loop while artifacts are stored', async () => {
      const artifacts = createArtifacts(folder.at('artifacts'), {
        artifactBytesMax: 1 << 30,
        artifactFilesMax: 99_000,
      });
      const [request] = artifactRequests({ artifacts: [], artifactPath: '/root/ws', workDir: '/root' });
      const stored = packFolder(folder.at('ws'), { prefix: 'ws' });
      await expectTurns(() => artifacts.store('job', request!, stored));
    });

    for (const option of ['', ' --git'])
      it(`the command yields to the event loop while it sends a folder${option}`, async () => {
        const git = (...args: readonly string[]) => execFileSync('git', ['-C', folder.at('ws'), ...args]);
        if (option !== '')
          for (const args of [
            ['init', '-q'],
            ['add', '.'],
          ])
            git(...args);
        let lines = 0;
        await expectTurns(async () => {
          const filter = option === '' ? undefined : await filterTracked(folder.at('ws'));
          if (filter !== undefined && 'error' in filter) throw new Error(filter.error);
          const call = { write: async () => ++lines > 0, end() {} };
          const listener = { onProgress() {}, onWarning() {} };
          const sent = await sendFolder({ folder: folder.at('ws'), ...(filter && { filter }) }, call, listener);
          expect(sent?.files).to.equal(count + 1);
        });
        expect(lines).to.be.above(0);
      });
  });

describe('S14: a folder with many names', () => {
  const folder = useTempFolder();

  it('the gateway yields to the event loop before it has read all names in the folder', async () => {
    const names = Array.from({ length: 3_000 }, (_, n) => String((n * 7919) % 3_000));
    writeFiles(folder.at('names'), Object.fromEntries(names.map((name) => [name, ''])));
    const entries = walkFolder(folder.at('names'), () => 'include');
    expect(await countTurns(() => entries.next())).to.be.at.least(names.length / 500);
    const shown: string[] = [];
    for await (const entry of entries) shown.push(entry.shown);
    expect(shown).to.deep.equal([...names].sort().slice(1));
  });
});
