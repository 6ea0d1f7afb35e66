// Tests copying files into and out of containers at any point of their life, and the owner of the files.

import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';
import { expect } from 'chai';
import { pack } from 'tar-stream';
import type { StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { archiveBody } from '../../server/docker/files/archive-body.ts';
import { chownArchive } from '../../server/docker/files/chown-archive.ts';
import { lookUpUser } from '../../server/docker/files/container-user.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine, expectRejection } from '../helpers/docker/test-engine.ts';
import {
  connectDirectly,
  createArchive,
  createStepRun,
  engineReleasers,
  readArchive,
  type StepRun,
} from '../helpers/docker/test-steps.ts';
import { withDeadline } from '../helpers/wait-until.ts';

describe('docker: files of a container', function () {
  this.timeout(60_000);
  let engine: DockerEngine;

  before(async () => {
    engine = createTestEngine(await sharedEngineHost());
  });

  after(() => engine.close());

  afterEach(async () => {
    expect(await engine.listResources()).to.deep.equal([]);
  });

  /** Creates a container without starting it, and removes it afterwards. */
  async function having(
    script: string,
    more: Partial<StepSpec>,
    work: (step: StepContainer, setup: StepRun) => Promise<void>,
  ): Promise<void> {
    const setup = await createStepRun(engine);
    const step = await setup.steps.create(setup.sh(script, more));
    try {
      await work(step, setup);
    } finally {
      await step.remove();
      await setup.run.releaseAll(engineReleasers(engine));
    }
  }

  async function runToEnd(step: StepContainer, { run }: StepRun): Promise<string> {
    await (await step.start(run.output)).ended;
    return run.output.stdout() + run.output.stderr();
  }

  const file = (name: string, text = `${name}\n`) => ({ name, text });

  it('copied files are present at the start, with their modes, links and empty folders', async () => {
    const script =
      'cd /code && cat a/b.txt && ls -l a | grep -o "^l.*" | cut -c1-10 && cat a/link && ' +
      'stat -c "%a %n" run.sh empty && ./run.sh';
    await having(script, {}, async (step, setup) => {
      await step.put(
        '/code',
        createArchive([
          file('a/b.txt'),
          { name: 'a/link', type: 'symlink', linkname: 'b.txt' },
          { name: 'empty', type: 'directory', mode: 0o750 },
          { name: 'run.sh', mode: 0o755, text: '#!/bin/sh\necho ran\n' },
        ]),
      );
      expect(await runToEnd(step, setup)).to.equal('a/b.txt\nlrwxrwxrwx\na/b.txt\n755 run.sh\n750 empty\nran\n');
    });
  });

  it('copying creates the target folder with its parents, or follows a link to one', async () => {
    await having(
      'cat /deep/er/still/x "/with space/é/x" /tmp/x; ls -ld /deep/er | cut -c1-10',
      {},
      async (step, setup) => {
        await step.put('/deep/er/still/', createArchive([file('x', 'deep\n')]));
        await step.put('/with space/é', createArchive([file('x', 'space\n')]));
        await step.put('/', createArchive([{ name: 'link', type: 'symlink', linkname: '/tmp' }]));
        await step.put('/link', createArchive([file('x', 'by link\n')]));
        expect(await runToEnd(step, setup)).to.equal('deep\nspace\nby link\ndrwxr-xr-x\n');
      },
    );
  });

  it('files can be copied into a running container', async () => {
    await having('until [ -e /in/file ]; do sleep 0.05; done; cat /in/file', {}, async (step, setup) => {
      const { ended } = await step.start(setup.run.output);
      await step.put('/in', createArchive([file('file')]));
      await ended;
      expect(setup.run.output.stdout()).to.equal('file\n');
    });
  });

  it('100 MB of files can be streamed into a container and back unchanged', async () => {
    const piece = randomBytes(1 << 20);
    async function* big(): AsyncGenerator<Uint8Array> {
      const tar = pack();
      const entry = tar.entry({ name: 'big', size: 100 << 20 });
      let written = 0;
      const more = (): void => {
        while (written < 100) {
          written += 1;
          if (!entry.write(piece)) return void entry.once('drain', more);
        }
        (entry as unknown as Writable).end();
        tar.finalize();
      };
      more();
      for await (const chunk of tar) yield chunk as Buffer;
    }
    await having('true', {}, async (step) => {
      await step.put('/data', big());
      let bytes = 0;
      for await (const chunk of (await step.get('/data/big'))!) bytes += chunk.length;
      expect(bytes).to.equal((100 << 20) + 512 + 1024);
    });
  });

  describe('files for a user other than root', () => {
    const listOwners = 'touch new folder/new && stat -c "%u:%g %n" . folder folder/file';
    const archive = () =>
      createArchive([
        { name: 'folder', type: 'directory', uid: 0, gid: 0 },
        { name: 'folder/file', text: 'x', uid: 42, gid: 42 },
      ]);
    for (const [user, ids] of [
      ['1234:5678', '1234:5678'],
      ['1234', '1234:0'],
      ['nobody', '65534:65534'],
      ['nobody:root', '65534:0'],
    ] as const) {
      it(`copied files and their folder belong to the container's user: ${user}`, async () => {
        await having(listOwners, { user, workdir: '/code/here' }, async (step, setup) => {
          await step.put('/code/here', archive());
          expect(await runToEnd(step, setup)).to.equal(`${ids} .\n${ids} folder\n${ids} folder/file\n`);
        });
      });
    }

    it('copied files belong to the user of the image when the spec names none', async () => {
      const setup = await createStepRun(engine);
      const context = createArchive([file('Dockerfile', 'FROM busybox\nUSER nobody\n')]);
      const image = await setup.steps.build({
        tag: 'of-nobody',
        dockerfile: 'Dockerfile',
        signal: setup.run.ports.signal,
        output: setup.run.output,
        context,
      });
      for (const asked of [false, true]) {
        if (asked) await setup.steps.image({ image, pull: 'never', signal: setup.run.ports.signal, onPull: () => {} });
        const step = await setup.steps.create(
          setup.sh('id -un; touch /new/made/x /code/x && stat -c %U /new/made /code', {
            name: setup.name(),
            image,
            workdir: '/code',
          }),
        );
        await step.put('/new/made', createArchive([]));
        await (await step.start(setup.run.output)).ended;
        await step.remove();
      }
      expect(setup.run.output.stderr()).to.equal('');
      expect(setup.run.output.stdout().slice(-42)).to.equal('nobody\nnobody\nnobody\n'.repeat(2));
      await removeImage('of-nobody');
    });

    it("the container's user can write to its working folder, even without copied files", async () => {
      await having(
        'touch new && stat -c "%u %a" . && stat -c %u ..',
        { user: '1234', workdir: '/made/here' },
        async (step, setup) => {
          expect(await runToEnd(step, setup)).to.equal('1234 755\n0\n');
        },
      );
    });

    it('copying leaves folders of the image unchanged', async () => {
      await having('stat -c "%u %a" /etc /', { user: '1234', workdir: '/etc' }, async (step, setup) => {
        await step.put('/', createArchive([file('x')]));
        expect(await runToEnd(step, setup)).to.equal('0 755\n0 755\n');
      });
    });
  });

  it('copying into a read-only container fails with the reason, whatever the size of the archive', async () => {
    await having('true', { readOnly: true, user: '1234', workdir: '/code' }, async (step) => {
      let ended = false;
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield* createArchive([{ name: 'x', text: 'x'.repeat(1 << 20) }]);
        } finally {
          ended = true;
        }
      }
      const error = await expectRejection(step.put('/code', endless()));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal('cannot write files to "/code": container rootfs is marked read-only');
      await withDeadline(
        'the archive is dropped',
        (async () => {
          while (!ended) await new Promise(setImmediate);
        })(),
      );
    });
  });

  it('files can be copied into a volume of a read-only container', async () => {
    const setup = await createStepRun(engine);
    const volume = await setup.steps.volume('v');
    const step = await setup.steps.create(
      setup.sh('cat /v/file', { readOnly: true, user: '1234', volumes: [`${volume}:/v`] }),
    );
    await step.put('/v', createArchive([file('file')]));
    expect(await runToEnd(step, setup)).to.equal('file\n');
    await step.remove();
    await setup.run.releaseAll(engineReleasers(engine));
  });

  const wrong: Record<string, { path: string; archive: () => AsyncIterable<Uint8Array>; message: RegExp }> = {
    'the target is a file': {
      path: '/etc/passwd',
      archive: () => createArchive([file('x')]),
      message: /^cannot write files to "\/etc\/passwd": extraction point is not a directory$/,
    },
    'the data is not an archive': {
      path: '/tmp',
      archive: async function* () {
        yield Buffer.alloc(10_000, 'garbage');
      },
      message: /^cannot write files to "\/tmp": .*invalid tar header$/,
    },
    'the archive is cut off': {
      path: '/tmp',
      archive: async function* () {
        for await (const chunk of createArchive([{ name: 'x', text: 'x'.repeat(9_000) }])) {
          yield chunk.subarray(0, 200);
          return;
        }
      },
      message: /^cannot write files to "\/tmp": unexpected EOF$/,
    },
  };
  for (const [what, { path, archive, message }] of Object.entries(wrong)) {
    it(`a failed copy reports the reason: ${what}`, async () => {
      await having('true', {}, async (step) => {
        const error = await expectRejection(step.put(path, archive()));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(message);
      });
    });
  }

  it('an archive that cannot be read is not reported as an error of the engine', async () => {
    await having('true', {}, async (step) => {
      const fault = new Error('the disk is broken');
      const error = await expectRejection(
        step.put(
          '/tmp',
          (async function* () {
            yield Buffer.alloc(512);
            throw fault;
          })(),
        ),
      );
      expect(error).to.equal(fault);
    });
  });

  it('the names in an archive cannot lead out of the container', async () => {
    await having('ls /escaped /tmp', {}, async (step, setup) => {
      await step.put('/tmp', createArchive([file('../escaped')])).catch(() => {});
      await runToEnd(step, setup);
    });
  });

  it('a folder or a single file can be read, also after the exit, and a missing one is undefined', async () => {
    const script =
      'mkdir -p /out/sub/empty && echo one > /out/one && ln -s one /out/link && echo two > "/out/sub/two x"';
    await having(script, {}, async (step, setup) => {
      expect(await step.get('/out')).to.equal(undefined);
      await runToEnd(step, setup);
      const entries = await readArchive((await step.get('/out'))!);
      expect(entries.map(({ name, type, text }) => `${name} ${type} ${text}`).sort()).to.deep.equal([
        'out/ directory ',
        'out/link symlink ',
        'out/one file one\n',
        'out/sub/ directory ',
        'out/sub/empty/ directory ',
        'out/sub/two x file two\n',
      ]);
      expect((await readArchive((await step.get('/out/sub/two x'))!)).map(({ name }) => name)).to.deep.equal(['two x']);
      expect(await step.get('/out/nope')).to.equal(undefined);
      expect(await step.get('/nope/nope')).to.equal(undefined);
    });
  });

  it('reading files of a removed container fails', async () => {
    await having('true', {}, async (step, setup) => {
      const other = await setup.steps.create(setup.sh('true', { name: setup.name('other') }));
      await other.remove();
      const error = await expectRejection(other.get('/etc'));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(step.name).to.not.equal(other.name);
    });
  });

  it('a container can be removed while its files are being read', async () => {
    const setup = await createStepRun(engine);
    const step = await setup.steps.create(setup.sh('head -c 50000000 /dev/zero > /big'));
    await (await step.start(setup.run.output)).ended;
    const reading = (await step.get('/big'))![Symbol.asyncIterator]();
    await reading.next();
    expect(await step.remove()).to.deep.equal({ how: 'exited' });
    const error = await expectRejection(
      (async () => {
        while ((await reading.next()).done !== true);
      })(),
    );
    expect(error.message).to.equal('cannot read "/big": the container is being stopped');
  });

  it('a container can be removed while files are being copied into it', async () => {
    const setup = await createStepRun(engine);
    const step = await setup.steps.create(setup.sh('exec sleep 60'));
    await step.start(setup.run.output);
    let asked = (): void => {};
    const wanted = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const putting = step
      .put(
        '/in',
        (async function* () {
          yield (await whole(createArchive([{ name: 'x', text: 'x'.repeat(100_000) }]))).subarray(0, 70_000);
          asked();
          await new Promise(() => {});
        })(),
      )
      .catch((error: unknown) => error);
    await wanted;
    expect(await step.remove()).to.deep.equal({ how: 'SIGKILL' });
    expect(String(await putting)).to.equal('WorkFailed: cannot write files to "/in": the container is being stopped');
  });

  it('an archive that its reader abandons does not keep a connection open', async () => {
    await having('head -c 50000000 /dev/zero > /big', {}, async (step, setup) => {
      await runToEnd(step, setup);
      for (const begun of [true, false]) {
        const reading = (await step.get('/big'))![Symbol.asyncIterator]();
        if (begun) await reading.next();
        await reading.return?.(undefined);
      }
    });
  });

  async function removeImage(name: string): Promise<void> {
    const raw = await connectDirectly(await sharedEngineHost());
    await raw.docker.getImage(name).remove({ force: true });
    raw.close();
  }
});

describe('docker: the user of a container', () => {
  const files: Record<string, string> = {
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/:/bin/sh\nbroken\n',
    '/etc/group': 'root:x:0:\nstaff:x:50:app\n',
  };
  const cases: Record<string, readonly [number, number] | undefined> = {
    '': [0, 0],
    root: [0, 0],
    app: [1000, 1001],
    '1000': [1000, 1001],
    '77': [77, 0],
    '77:88': [77, 88],
    'app:staff': [1000, 50],
    'app:7': [1000, 7],
    '77:staff': [77, 50],
    ':staff': [0, 50],
    ghost: undefined,
    'app:ghosts': undefined,
  };
  for (const [user, ids] of Object.entries(cases)) {
    it(`lookUpUser finds the same user as the engine: "${user}"`, async () => {
      const owner = await lookUpUser(user, async (path) => files[path]);
      expect(owner).to.deep.equal(ids === undefined ? undefined : { uid: ids[0], gid: ids[1] });
    });
  }

  it('lookUpUser accepts numbers in a container without user files', async () => {
    expect(await lookUpUser('5:6', async () => undefined)).to.deep.equal({ uid: 5, gid: 6 });
    expect(await lookUpUser('5', async () => undefined)).to.deep.equal({ uid: 5, gid: 0 });
  });
});

describe('docker: chownArchive', () => {
  const entries = [
    { name: 'folder', type: 'directory' },
    { name: 'folder/file', text: 'x'.repeat(1_000), uid: 5, gid: 6, mode: 0o640 },
    { name: `${'long'.repeat(60)}/${'é'.repeat(60)}`, text: 'behind a long name' },
    { name: 'link', type: 'symlink', linkname: 'folder/file' },
    { name: 'empty', text: '' },
    { name: 'sized', text: 'y'.repeat(512), pax: { comment: 'about' } },
  ] as const;

  async function* cut(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  for (const size of [1, 7, 511, 512, 513, 100_000]) {
    it(`a chowned archive differs only in the owner of its entries, when split into pieces of ${size}`, async () => {
      const before = await whole(createArchive(entries));
      const after = await whole(chownArchive(cut(before, size), { uid: 1234, gid: 3_000_000 }));
      const found = await readArchive(cut(after, 4_096));
      const plain = await readArchive(cut(before, 4_096));
      expect(found).to.deep.equal(plain.map((entry) => ({ ...entry, uid: 1234, gid: 3_000_000 })));
      expect(after.length).to.equal(before.length);
    });
  }

  it('chownArchive uses the size from an extended header', async () => {
    const data = Buffer.alloc(1_024, 'z');
    const about = Buffer.from('12 size=600\n');
    const header = (name: string, type: string, size: number): Buffer => {
      const block = Buffer.alloc(512);
      block.write(name);
      block.write('0000644\0', 100);
      block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
      block.write('ustar\x0000', 257);
      block.write(type, 156);
      return block;
    };
    const before = Buffer.concat([
      header('about', 'x', about.length),
      about,
      Buffer.alloc(512 - about.length),
      header('big', '0', 0),
      data,
      header('next', '0', 0),
    ]);
    const after = await whole(chownArchive(cut(before, 100), { uid: 1, gid: 1 }));
    expect(after.subarray(1_536, 1_536 + 1_024).equals(data)).to.equal(true);
    expect(after.subarray(2_560, 2_564).toString()).to.equal('next');
    expect(after.toString('latin1', 2_560 + 108, 2_560 + 115)).to.equal('0000001');
  });
});

describe('docker: archiveBody', () => {
  it('an archive is closed if sending never starts, and if it stops midway', async () => {
    for (const reads of [0, 1]) {
      let open = 0;
      const { body, cancel } = archiveBody(
        (async function* () {
          open += 1;
          try {
            for (;;) yield Buffer.alloc(100_000);
          } finally {
            open -= 1;
          }
        })(),
      );
      if (reads > 0) await new Promise((resolve) => body.once('data', resolve));
      cancel();
      cancel();
      await new Promise((resolve) => body.once('close', resolve));
      expect(open).to.equal(0);
    }
  });
});

async function whole(archive: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
