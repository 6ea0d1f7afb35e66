// Files into a container and out of it, at any moment of its life, as its own user sees them.

import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';
import { expect } from 'chai';
import { pack } from 'tar-stream';
import type { StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { owned } from '../../server/docker/owned.ts';
import { ownerOf } from '../../server/docker/owner.ts';
import { sent } from '../../server/docker/sent.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { soon } from '../helpers/until.ts';
import { failureOf, testEngine } from './setup.ts';
import { archiveOf, entriesOf, rawEngine, releasersOf, stepRun, type StepRun } from './steps-setup.ts';

describe('docker files', function () {
  this.timeout(60_000);
  let engine: DockerEngine;

  before(async () => {
    engine = testEngine(await sharedEngine());
  });

  after(() => engine.close());

  afterEach(async () => {
    expect(await engine.list()).to.deep.equal([]);
  });

  /** A container that has not been started; removed afterwards. */
  async function having(script: string, more: Partial<StepSpec>, work: (step: StepContainer, it: StepRun) => Promise<void>): Promise<void> {
    const it = await stepRun(engine);
    const step = await it.steps.create(it.sh(script, more));
    try {
      await work(step, it);
    } finally {
      await step.remove();
      await it.run.releaseWith(releasersOf(engine));
    }
  }

  async function outputOf(step: StepContainer, { run }: StepRun): Promise<string> {
    await (await step.start(run.output)).ended;
    return run.output.stdout() + run.output.stderr();
  }

  const file = (name: string, text = `${name}\n`) => ({ name, text });

  it('are there when it starts, with their modes, links and empty folders', async () => {
    const script = 'cd /code && cat a/b.txt && ls -l a | grep -o "^l.*" | cut -c1-10 && cat a/link && stat -c "%a %n" run.sh empty && ./run.sh';
    await having(script, {}, async (step, it) => {
      await step.put('/code', archiveOf([
        file('a/b.txt'), { name: 'a/link', type: 'symlink', linkname: 'b.txt' }, { name: 'empty', type: 'directory', mode: 0o750 },
        { name: 'run.sh', mode: 0o755, text: '#!/bin/sh\necho ran\n' },
      ]));
      expect(await outputOf(step, it)).to.equal('a/b.txt\nlrwxrwxrwx\na/b.txt\n755 run.sh\n750 empty\nran\n');
    });
  });

  it('go to a folder that is made for them with its parents, or through a link to one', async () => {
    await having('cat /deep/er/still/x "/with space/é/x" /tmp/x; ls -ld /deep/er | cut -c1-10', {}, async (step, it) => {
      await step.put('/deep/er/still/', archiveOf([file('x', 'deep\n')]));
      await step.put('/with space/é', archiveOf([file('x', 'space\n')]));
      await step.put('/', archiveOf([{ name: 'link', type: 'symlink', linkname: '/tmp' }]));
      await step.put('/link', archiveOf([file('x', 'by link\n')]));
      expect(await outputOf(step, it)).to.equal('deep\nspace\nby link\ndrwxr-xr-x\n');
    });
  });

  it('may be put while it runs', async () => {
    await having('until [ -e /in/file ]; do sleep 0.05; done; cat /in/file', {}, async (step, it) => {
      const { ended } = await step.start(it.run.output);
      await step.put('/in', archiveOf([file('file')]));
      await ended;
      expect(it.run.output.stdout()).to.equal('file\n');
    });
  });

  it('of 100 MB are passed on as they come, and come back the same', async () => {
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

  describe('of a user who is not root', () => {
    const mine = 'touch new folder/new && stat -c "%u:%g %n" . folder folder/file';
    const archive = () => archiveOf([{ name: 'folder', type: 'directory', uid: 0, gid: 0 }, { name: 'folder/file', text: 'x', uid: 42, gid: 42 }]);
    for (const [user, ids] of [['1234:5678', '1234:5678'], ['1234', '1234:0'], ['nobody', '65534:65534'], ['nobody:root', '65534:0']] as const) {
      it(`belong to them, and the folder does: ${user}`, async () => {
        await having(mine, { user, workdir: '/code/here' }, async (step, it) => {
          await step.put('/code/here', archive());
          expect(await outputOf(step, it)).to.equal(`${ids} .\n${ids} folder\n${ids} folder/file\n`);
        });
      });
    }

    it('belong to them when it is the image that says who they are', async () => {
      const it = await stepRun(engine);
      const context = archiveOf([file('Dockerfile', 'FROM busybox\nUSER nobody\n')]);
      const image = await it.steps.build({ tag: 'of-nobody', dockerfile: 'Dockerfile', signal: it.run.ports.signal, output: it.run.output, context });
      for (const asked of [false, true]) {
        if (asked) await it.steps.image({ image, pull: 'never', signal: it.run.ports.signal, onPull: () => {} });
        const step = await it.steps.create(it.sh('id -un; touch /new/made/x /code/x && stat -c %U /new/made /code', { name: it.name(), image, workdir: '/code' }));
        await step.put('/new/made', archiveOf([]));
        await (await step.start(it.run.output)).ended;
        await step.remove();
      }
      expect(it.run.output.stderr()).to.equal('');
      expect(it.run.output.stdout().slice(-42)).to.equal('nobody\nnobody\nnobody\n'.repeat(2));
      await removeImage('of-nobody');
    });

    it('can be written by them in the working folder, though nothing was put there', async () => {
      await having('touch new && stat -c "%u %a" . && stat -c %u ..', { user: '1234', workdir: '/made/here' }, async (step, it) => {
        expect(await outputOf(step, it)).to.equal('1234 755\n0\n');
      });
    });

    it('leave folders of the image as they are', async () => {
      await having('stat -c "%u %a" /etc /', { user: '1234', workdir: '/etc' }, async (step, it) => {
        await step.put('/', archiveOf([file('x')]));
        expect(await outputOf(step, it)).to.equal('0 755\n0 755\n');
      });
    });
  });

  it('cannot be put into a container whose root is read-only, which says so however much there is', async () => {
    await having('true', { readOnly: true, user: '1234', workdir: '/code' }, async (step) => {
      let ended = false;
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield* archiveOf([{ name: 'x', text: 'x'.repeat(1 << 20) }]);
        } finally {
          ended = true;
        }
      }
      const error = await failureOf(step.put('/code', endless()));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal('cannot put files to "/code": container rootfs is marked read-only');
      await soon('the archive is dropped', (async () => { while (!ended) await new Promise(setImmediate); })());
    });
  });

  it('can be put into a volume of a container whose root is read-only', async () => {
    const it = await stepRun(engine);
    const volume = await it.steps.volume('v');
    const step = await it.steps.create(it.sh('cat /v/file', { readOnly: true, user: '1234', volumes: [`${volume}:/v`] }));
    await step.put('/v', archiveOf([file('file')]));
    expect(await outputOf(step, it)).to.equal('file\n');
    await step.remove();
    await it.run.releaseWith(releasersOf(engine));
  });

  const wrong: Record<string, { path: string; archive: () => AsyncIterable<Uint8Array>; message: RegExp }> = {
    'to what is no folder': { path: '/etc/passwd', archive: () => archiveOf([file('x')]), message: /^cannot put files to "\/etc\/passwd": extraction point is not a directory$/ },
    'that are no archive': { path: '/tmp', archive: async function* () { yield Buffer.alloc(10_000, 'garbage'); }, message: /^cannot put files to "\/tmp": .*invalid tar header$/ },
    'of an archive that stops in the middle': { path: '/tmp', archive: async function* () { for await (const chunk of archiveOf([{ name: 'x', text: 'x'.repeat(9_000) }])) { yield chunk.subarray(0, 200); return; } }, message: /^cannot put files to "\/tmp": unexpected EOF$/ },
  };
  for (const [what, { path, archive, message }] of Object.entries(wrong)) {
    it(`say why they cannot be put: ${what}`, async () => {
      await having('true', {}, async (step) => {
        const error = await failureOf(step.put(path, archive()));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(message);
      });
    });
  }

  it('that cannot be read are no fault of the engine', async () => {
    await having('true', {}, async (step) => {
      const fault = new Error('the disk is broken');
      const error = await failureOf(step.put('/tmp', (async function* () { yield Buffer.alloc(512); throw fault; })()));
      expect(error).to.equal(fault);
    });
  });

  it('cannot leave the container by their names', async () => {
    await having('ls /escaped /tmp', {}, async (step, it) => {
      await step.put('/tmp', archiveOf([file('../escaped')])).catch(() => {});
      await outputOf(step, it);
    });
  });

  it('come out as a whole tree or a single one, also when it has ended, and not at all when there are none', async () => {
    const script = 'mkdir -p /out/sub/empty && echo one > /out/one && ln -s one /out/link && echo two > "/out/sub/two x"';
    await having(script, {}, async (step, it) => {
      expect(await step.get('/out')).to.equal(undefined);
      await outputOf(step, it);
      const entries = await entriesOf((await step.get('/out'))!);
      expect(entries.map(({ name, type, text }) => `${name} ${type} ${text}`).sort()).to.deep.equal([
        'out/ directory ', 'out/link symlink ', 'out/one file one\n', 'out/sub/ directory ', 'out/sub/empty/ directory ', 'out/sub/two x file two\n',
      ]);
      expect((await entriesOf((await step.get('/out/sub/two x'))!)).map(({ name }) => name)).to.deep.equal(['two x']);
      expect(await step.get('/out/nope')).to.equal(undefined);
      expect(await step.get('/nope/nope')).to.equal(undefined);
    });
  });

  it('are asked for in vain when the container is gone', async () => {
    await having('true', {}, async (step, it) => {
      const other = await it.steps.create(it.sh('true', { name: it.name('other') }));
      await other.remove();
      const error = await failureOf(other.get('/etc'));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(step.name).to.not.equal(other.name);
    });
  });

  it('on their way out do not keep it from being removed', async () => {
    const it = await stepRun(engine);
    const step = await it.steps.create(it.sh('head -c 50000000 /dev/zero > /big'));
    await (await step.start(it.run.output)).ended;
    const reading = (await step.get('/big'))![Symbol.asyncIterator]();
    await reading.next();
    expect(await soon('it is removed', step.remove(), 5_000)).to.deep.equal({ how: 'exited' });
    const error = await failureOf((async () => { while ((await reading.next()).done !== true); })());
    expect(error.message).to.equal('cannot get "/big": the container is to end');
  });

  it('on their way in do not keep it from being removed', async () => {
    const it = await stepRun(engine);
    const step = await it.steps.create(it.sh('exec sleep 60'));
    await step.start(it.run.output);
    let asked = (): void => {};
    const wanted = new Promise<void>((resolve) => { asked = resolve; });
    const putting = step.put('/in', (async function* () {
      yield (await whole(archiveOf([{ name: 'x', text: 'x'.repeat(100_000) }]))).subarray(0, 70_000);
      asked();
      await new Promise(() => {});
    })()).catch((error: unknown) => error);
    await wanted;
    expect(await soon('it is removed', step.remove(), 5_000)).to.deep.equal({ how: 'SIGKILL' });
    expect(String(await putting)).to.equal('WorkFailed: cannot put files to "/in": the container is to end');
  });

  it('that nobody reads any more are let go of', async () => {
    await having('head -c 50000000 /dev/zero > /big', {}, async (step, it) => {
      await outputOf(step, it);
      for (const begun of [true, false]) {
        const reading = (await step.get('/big'))![Symbol.asyncIterator]();
        if (begun) await reading.next();
        await reading.return?.(undefined);
      }
    });
  });

  async function removeImage(name: string): Promise<void> {
    const raw = await rawEngine(await sharedEngine());
    await raw.docker.getImage(name).remove({ force: true });
    raw.close();
  }
});

describe('docker owner of files', () => {
  const files: Record<string, string> = {
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/:/bin/sh\nbroken\n',
    '/etc/group': 'root:x:0:\nstaff:x:50:app\n',
  };
  const cases: Record<string, readonly [number, number] | undefined> = {
    '': [0, 0], root: [0, 0], app: [1000, 1001], '1000': [1000, 1001], '77': [77, 0], '77:88': [77, 88], 'app:staff': [1000, 50],
    'app:7': [1000, 7], '77:staff': [77, 50], ':staff': [0, 50], ghost: undefined, 'app:ghosts': undefined,
  };
  for (const [user, ids] of Object.entries(cases)) {
    it(`is found as the engine finds it: "${user}"`, async () => {
      const owner = await ownerOf(user, async (path) => files[path]);
      expect(owner).to.deep.equal(ids === undefined ? undefined : { uid: ids[0], gid: ids[1] });
    });
  }

  it('is a number also where the container has no users', async () => {
    expect(await ownerOf('5:6', async () => undefined)).to.deep.equal({ uid: 5, gid: 6 });
    expect(await ownerOf('5', async () => undefined)).to.deep.equal({ uid: 5, gid: 0 });
  });
});

describe('docker archive of another owner', () => {
  const entries = [
    { name: 'folder', type: 'directory' }, { name: 'folder/file', text: 'x'.repeat(1_000), uid: 5, gid: 6, mode: 0o640 },
    { name: `${'long'.repeat(60)}/${'é'.repeat(60)}`, text: 'behind a long name' }, { name: 'link', type: 'symlink', linkname: 'folder/file' },
    { name: 'empty', text: '' }, { name: 'sized', text: 'y'.repeat(512), pax: { comment: 'about' } },
  ] as const;

  async function* cut(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  for (const size of [1, 7, 511, 512, 513, 100_000]) {
    it(`is the same but for that, in pieces of ${size}`, async () => {
      const before = await whole(archiveOf(entries));
      const after = await whole(owned(cut(before, size), { uid: 1234, gid: 3_000_000 }));
      const found = await entriesOf(cut(after, 4_096));
      const plain = await entriesOf(cut(before, 4_096));
      expect(found).to.deep.equal(plain.map((entry) => ({ ...entry, uid: 1234, gid: 3_000_000 })));
      expect(after.length).to.equal(before.length);
    });
  }

  it('knows the size that stands before an entry instead of in it', async () => {
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
    const before = Buffer.concat([header('about', 'x', about.length), about, Buffer.alloc(512 - about.length), header('big', '0', 0), data, header('next', '0', 0)]);
    const after = await whole(owned(cut(before, 100), { uid: 1, gid: 1 }));
    expect(after.subarray(1_536, 1_536 + 1_024).equals(data)).to.equal(true);
    expect(after.subarray(2_560, 2_564).toString()).to.equal('next');
    expect(after.toString('latin1', 2_560 + 108, 2_560 + 115)).to.equal('0000001');
  });
});

describe('docker archive on its way', () => {
  it('is let go of by a sender that never began, and by one that stops in the middle', async () => {
    for (const reads of [0, 1]) {
      let open = 0;
      const { body, drop } = sent((async function* () {
        open += 1;
        try {
          for (;;) yield Buffer.alloc(100_000);
        } finally {
          open -= 1;
        }
      })());
      if (reads > 0) await new Promise((resolve) => body.once('data', resolve));
      drop();
      drop();
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
