// Tests the file for input that does not fit into the memory of a run: order, limits, failures and removal.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputFile } from '../../server/runs/input/input-file.ts';
import { RunInput } from '../../server/runs/input/run-input.ts';
import { open } from '../../server/runs/log/storage/file-io.ts';
import { seededRandom, withTempFolder } from '../helpers/runs/test-log.ts';
import { codeCall, withTestRuns } from '../helpers/runs/test-runs.ts';
import { seeds } from '../helpers/seeded-random.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const noFailure = (error: unknown): never => {
  throw error;
};

async function withInputFile(
  limits: { readonly bytesMax: number; readonly pendingBytesMax?: number },
  work: (file: InputFile, path: string) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const path = join(folder, 'input');
    const create = async () => (await open(path, 'wx+')) as number;
    const file = new InputFile({ pendingBytesMax: 1 << 20, ...limits, create, onFailure: noFailure });
    await work(file, path);
    await file.close();
  });
}

describe('the file for the input of a run', () => {
  it('P7: bytes leave the file in their order, while the file never exceeds its limit', async () => {
    await withInputFile({ bytesMax: 10_000 }, async (file, path) => {
      const random = seededRandom(1);
      const sent: Buffer[] = [];
      const received: Uint8Array[] = [];
      for (let i = 0; i < 3_000; i++) {
        const piece = Buffer.alloc(1 + random(3_000), i);
        if (file.push(piece)) sent.push(piece);
        else received.push((await file.take())!);
      }
      expect(statSync(path).size).to.be.at.most(10_000);
      while (file.bytes > 0) received.push((await file.take())!);
      expect(Buffer.concat(received).equals(Buffer.concat(sent))).to.equal(true);
      expect(Buffer.concat(sent)).to.have.length.above(1_000_000);
    });
  });

  it('P7: a file whose bytes were all read is emptied', async () => {
    await withInputFile({ bytesMax: 1 << 20 }, async (file, path) => {
      file.push(Buffer.alloc(50_000));
      expect(await file.take()).to.have.length(50_000);
      await waitUntil('the file is empty', () => statSync(path).size === 0);
      file.push(Buffer.from('more'));
      expect(String(await file.take())).to.equal('more');
    });
  });

  it('P7: the file is full while the disk is behind; drained() waits for the disk or for close()', async () => {
    await withInputFile({ bytesMax: 1 << 20, pendingBytesMax: 1_000 }, async (file, path) => {
      file.push(Buffer.alloc(999));
      expect(file.full).to.equal(false);
      file.push(Buffer.alloc(1));
      expect(file.full).to.equal(true);
      await file.drained();
      expect(file.full).to.equal(false);
      file.push(Buffer.alloc(1_000));
      const drained = file.drained();
      await file.close();
      await drained;
      expect(statSync(path).size).to.equal(0);
    });
  });

  it('P7: a waiting reader ends when the file is closed', async () => {
    await withInputFile({ bytesMax: 1 << 20 }, async (file) => {
      const taken = file.take();
      await file.close();
      expect(await taken).to.equal(undefined);
      expect(file.push(Buffer.from('late'))).to.equal(true);
      expect(file.bytes).to.equal(0);
    });
  });

  it('P7: input passes through memory and file complete, whatever the size and timing of its pieces', async () => {
    await withTempFolder(async (folder) => {
      for (const seed of seeds(20)) {
        const random = seededRandom(seed);
        const create = async () => (await open(join(folder, String(seed)), 'wx+')) as number;
        const input = new RunInput(5_000, { bytesMax: 1 << 24, create, onFailure: noFailure });
        const received: Uint8Array[] = [];
        const reading = (async () => {
          for await (const chunk of input) {
            received.push(chunk);
            if (random(10) === 0) await new Promise((resolve) => setImmediate(resolve));
          }
        })();
        const pieces = Array.from({ length: 1_000 }, (_, i) => Buffer.alloc(1 + random(4_000), i));
        for (const piece of pieces) {
          expect(input.push(piece)).to.equal(true);
          if (random(5) === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        input.end();
        await reading;
        expect(Buffer.concat(received).equals(Buffer.concat(pieces)), `seed ${seed}`).to.equal(true);
        input.discard();
      }
    });
  });
});

describe('a run whose input does not fit into memory', () => {
  const limits = { inputBytesMax: 1_000, inputFileBytesMax: 10_000 };

  it('P7: the file is an obligation of the run, readable only by the gateway, and is removed', async () => {
    const read = codeCall('read', async ({ input, signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      for await (const chunk of input) input.taken(chunk.length);
      return {};
    });
    await withTestRuns(
      [read],
      async ({ start, store }, folder) => {
        const run = start('read');
        run.input.push(Buffer.alloc(1_000));
        run.input.push(Buffer.alloc(5_000));
        const path = join(folder, 'work', `${run.id}.input`);
        await waitUntil(
          'the file is written',
          () => existsSync(join(path, 'input')) && statSync(join(path, 'input')).size === 5_000,
        );
        expect(store.openObligations(run.id).map(({ kind, id, facts }) => ({ kind, id, facts }))).to.deep.equal([
          { kind: 'folder', id: 'input', facts: { path } },
        ]);
        expect(statSync(path).mode & 0o777).to.equal(0o700);
        expect(statSync(join(path, 'input')).mode & 0o777).to.equal(0o600);
        run.stop('cancelled');
        const { cleanup } = await run.ended;
        expect(cleanup).to.deep.include({ clean: true, left: [] });
        expect(cleanup?.released.map(({ kind, id, how }) => [kind, id, how])).to.deep.equal([
          ['folder', 'input', 'removed'],
        ]);
        expect(readdirSync(join(folder, 'work'))).to.deep.equal([]);
      },
      { limits },
    );
  });

  it('P7: a file that a crash left behind is removed at the next start', async () => {
    await withTestRuns(
      [codeCall('read', async () => ({}))],
      async ({ store, reconcile }, folder) => {
        const path = join(folder, 'work', 'lost.input');
        await mkdir(path, { recursive: true });
        await writeFile(join(path, 'input'), 'secret');
        const [queuedAt, size] = ['2026-01-15T09:30:00.000Z', { lines: 0, bytes: 0 }];
        store.insert({
          id: 'lost',
          call: 'read',
          params: [],
          caller: '',
          node: 'n',
          state: 'running',
          queuedAt,
          ...size,
        });
        store.saveObligation({ run: 'lost', kind: 'folder', id: 'input', facts: { path } });
        await reconcile();
        expect(existsSync(path)).to.equal(false);
        expect(store.openObligations('lost')).to.deep.equal([]);
      },
      { limits },
    );
  });

  it('P7: input that cannot be stored ends the run with the reason', async () => {
    const read = codeCall('read', async ({ signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      return {};
    });
    await withTestRuns(
      [read],
      async ({ start }, folder) => {
        // A file in the place of the folder has the same effect as a full disk.
        await writeFile(join(folder, 'work'), '');
        const run = start('read');
        for (let i = 0; i < 3; i++) run.input.push(Buffer.alloc(1_000));
        const { outcome, message, cleanup } = await run.ended;
        expect({ outcome, message }).to.deep.equal({
          outcome: 'failed',
          message: 'the input could not be stored: the disk rejected the write',
        });
        expect(cleanup?.left).to.have.length(0);
      },
      { limits },
    );
  });
});
