// Tests images for step containers: lookup, shared pulls, registry logins, and builds.

import { expect } from 'chai';
import type { ImageRequest, RegistryLogin } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { Connection } from '../../../server/docker/connect.ts';
import type { DockerEngine } from '../../../server/docker/engine.ts';
import { type ImageRegistry, type LayerBehavior, startImageRegistry } from '../../helpers/docker/image-registry.ts';
import { engineNetworkPath, sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { createTestEngine, expectRejection } from '../../helpers/docker/test-engine.ts';
import {
  connectDirectly,
  createArchive,
  createStepRun,
  type StepRun,
  type TestEntry,
} from '../../helpers/docker/test-steps.ts';
import { waitUntil, withDeadline } from '../../helpers/wait-until.ts';

describe('docker: images', function () {
  this.timeout(60_000);
  let engine: DockerEngine;
  let raw: Connection;
  let registry: ImageRegistry;
  let locked: ImageRegistry;
  const made: string[] = [];
  const login: RegistryLogin = { username: 'me', password: 'p/w+"ä' };

  before(async () => {
    const host = await sharedEngineHost();
    engine = createTestEngine(host);
    raw = await connectDirectly(host);
    [registry, locked] = await Promise.all([
      startImageRegistry(engineNetworkPath()),
      startImageRegistry(engineNetworkPath(), { login: `${login.username}:${login.password}` }),
    ]);
  });

  after(async () => {
    for (const name of made)
      await raw.docker
        .getImage(name)
        .remove({ force: true })
        .catch(() => {});
    await Promise.all([registry.close(), locked.close()]);
    raw.close();
    engine.close();
  });

  afterEach(async () => {
    expect(await engine.listResources()).to.deep.equal([]);
  });

  function image(behavior: LayerBehavior, from: ImageRegistry = registry): string {
    const name = from.imageName(behavior);
    made.push(name);
    return name;
  }

  interface CountedRequest {
    readonly request: ImageRequest;
    readonly stop: AbortController;
    pulls: number;
  }

  function createRequest(name: string, more: Partial<ImageRequest> = {}): CountedRequest {
    const stop = new AbortController();
    const wanted: CountedRequest = {
      stop,
      pulls: 0,
      request: {
        image: name,
        pull: 'missing',
        signal: stop.signal,
        onPull: () => {
          wanted.pulls += 1;
        },
        ...more,
      },
    };
    return wanted;
  }

  describe('images that are pulled', () => {
    it('a missing image is pulled and reported once; afterwards the engine has it', async () => {
      const setup = await createStepRun(engine);
      const name = image('slow');
      const pulls: number[] = [];
      for (const pull of ['missing', 'missing', 'never', 'always'] as const) {
        const wanted = createRequest(name, { pull });
        await setup.steps.image(wanted.request);
        pulls.push(wanted.pulls);
      }
      expect(pulls).to.deep.equal([1, 0, 0, 1]);
      expect(setup.run.events).to.deep.equal([]);
      expect(registry.requestCount(name)).to.equal(1);
    });

    it('an image name without a tag means :latest', async () => {
      const setup = await createStepRun(engine);
      const name = image('whole');
      await setup.steps.image(createRequest(name.replace(/:latest$/, '')).request);
      const again = createRequest(name);
      await setup.steps.image(again.request);
      expect(again.pulls).to.equal(0);
    });

    it('simultaneous requests of several runs share one pull', async () => {
      const runs = await Promise.all([createStepRun(engine), createStepRun(engine)]);
      const name = image('slow');
      const wanted = Array.from({ length: 6 }, () => createRequest(name));
      await Promise.all(wanted.map(({ request }, at) => runs[at % 2]!.steps.image(request)));
      expect(wanted.map(({ pulls }) => pulls)).to.deep.equal([1, 1, 1, 1, 1, 1]);
      expect(registry.requestCount(name)).to.equal(1);
    });

    it('a shared pull continues when one request is aborted', async () => {
      const setup = await createStepRun(engine);
      const name = image('slow');
      const [one, other] = [createRequest(name), createRequest(name)];
      const failure = expectRejection(setup.steps.image(one.request));
      const pulled = setup.steps.image(other.request);
      await waitUntil('the image is being pulled', () => one.pulls === 1);
      one.stop.abort();
      expect((await failure).message).to.equal(`cannot pull "${name}": the pull was stopped`);
      await pulled;
    });

    it('a pull stops when all requests are aborted, and the next request starts a new one', async () => {
      const setup = await createStepRun(engine);
      const name = image('stalled');
      const wanted = [createRequest(name), createRequest(name)];
      const failures = wanted.map(({ request }) => expectRejection(setup.steps.image(request)));
      await registry.waitForStall();
      for (const { stop } of wanted) stop.abort();
      for (const error of await Promise.all(failures)) expect(error).to.be.instanceOf(WorkFailed);
      const next = createRequest(name);
      const failure = expectRejection(setup.steps.image(next.request));
      await registry.waitForDrop();
      await waitUntil('the image is pulled again', () => next.pulls === 1);
      setup.run.abort();
      expect((await failure).message).to.equal(`cannot pull "${name}": the pull was stopped`);
    });

    it('an aborted request does not start a pull', async () => {
      const setup = await createStepRun(engine);
      setup.run.abort();
      const wanted = createRequest('busybox', { pull: 'always' });
      expect((await expectRejection(setup.steps.image(wanted.request))).message).to.equal(
        'cannot pull "busybox": the pull was stopped',
      );
      expect(wanted.pulls).to.equal(0);
    });

    it('a pull that takes too long fails and names the limit', async () => {
      const engineWithTimeout = createTestEngine(raw.host, { limits: { ...defaultLimits, pullMs: 700 } });
      const setup = await createStepRun(engineWithTimeout);
      const name = image('stalled');
      expect((await expectRejection(setup.steps.image(createRequest(name).request))).message).to.equal(
        `cannot pull "${name}": not finished after 700 ms; raise limits.pullMs`,
      );
      await registry.waitForDrop();
      engineWithTimeout.close();
    });

    const failures: Record<string, { name: () => string; pull?: 'never'; message: RegExp }> = {
      'a corrupt layer': {
        name: () => image('broken'),
        message: /^cannot pull "127\.0\.0\.1:\d+\/broken\/.*": .*verification failed/,
      },
      'no registry at this address': {
        name: () => '127.0.0.1:1/nosuch:1',
        message: /^cannot pull "127.0.0.1:1\/nosuch:1": .*connection refused/,
      },
      'pull: never': {
        name: () => 'nosuch:1',
        pull: 'never',
        message: /^the Docker engine has no image "nosuch:1", and "pull: never" forbids pulling it$/,
      },
      'an invalid image name': {
        name: () => 'Not An Image',
        message: /^cannot pull "Not An Image": invalid reference format/,
      },
      'a path instead of a name': {
        name: () => '../../version',
        message: /^cannot pull "\.\.\/\.\.\/version": invalid reference format/,
      },
    };
    for (const [what, { name, pull, message }] of Object.entries(failures)) {
      it(`a failed pull reports the reason: ${what}`, async () => {
        const setup = await createStepRun(engine);
        const error = await expectRejection(
          setup.steps.image(createRequest(name(), pull === undefined ? {} : { pull }).request),
        );
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(message);
      });
    }
  });

  describe('images that need a login', () => {
    it('a pull with the right login succeeds', async () => {
      const setup = await createStepRun(engine);
      await setup.steps.image(createRequest(image('whole', locked), { login }).request);
    });

    it('a pull without login or with a wrong login fails, and the error hides the password', async () => {
      const setup = await createStepRun(engine);
      const wrong = { username: 'me', password: 'sesame-open-up' };
      for (const more of [{}, { login: wrong }]) {
        const error = await expectRejection(setup.steps.image(createRequest(image('whole', locked), more).request));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(/^cannot pull ".*": .*(unauthorized|authentication required|no basic auth)/i);
        expect(collectText(error)).to.not.include(wrong.password);
      }
    });

    it('a request without login does not join a pull with login', async () => {
      const setup = await createStepRun(engine);
      const name = image('slow', locked);
      const [pulled, failure] = [
        setup.steps.image(createRequest(name, { login }).request),
        expectRejection(setup.steps.image(createRequest(name).request)),
      ];
      expect(await failure).to.be.instanceOf(WorkFailed);
      await pulled;
    });
  });

  describe('images that are built', () => {
    const dockerfile = (text: string): TestEntry => ({ name: 'Dockerfile', text });

    async function build(
      setup: StepRun,
      entries: readonly TestEntry[],
      more: { tag?: string; dockerfile?: string; signal?: AbortSignal } = {},
    ): Promise<string> {
      const { signal = setup.run.ports.signal, tag = 'built-custom:latest' } = more;
      made.push(tag);
      const id = await setup.steps.build({
        tag,
        dockerfile: more.dockerfile ?? 'Dockerfile',
        context: createArchive(entries),
        signal,
        output: setup.run.output,
      });
      made.push(id);
      return id;
    }

    it('a build returns the id of an image with the files of the archive, and logs its output', async () => {
      const setup = await createStepRun(engine);
      const id = await build(setup, [
        dockerfile('FROM busybox\nCOPY file /file\nRUN echo from the build; echo red >&2\n'),
        { name: 'file', text: 'copied\n' },
      ]);
      expect(id).to.match(/^sha256:[0-9a-f]{64}$/);
      expect(setup.run.output.stdout())
        .to.match(/^Step 1\/3 : FROM busybox\n/)
        .and.to.contain('from the build\n')
        .and.to.contain('red\n')
        .and.to.not.contain('\x1b');
      expect(setup.run.output.stderr()).to.equal('');
      // Build another image with the same tag, so that only the id still names the first one.
      await build(setup, [dockerfile('FROM busybox\nRUN echo another > /file\n')]);
      const step = await setup.steps.create(setup.sh('cat /file', { image: id }));
      await (await step.start(setup.run.output)).ended;
      expect(setup.run.output.stdout()).to.match(/copied\n$/);
      await step.remove();
    });

    it('a build accepts a Dockerfile anywhere in a context of 60 MB', async () => {
      const setup = await createStepRun(engine);
      const big: TestEntry = { name: 'big', text: 'x'.repeat(60 << 20) };
      await build(setup, [big, { name: 'deep/My.Dockerfile', text: 'FROM busybox\nRUN true\n' }], {
        dockerfile: 'deep/My.Dockerfile',
      });
    });

    it('a build pulls its base image', async () => {
      const setup = await createStepRun(engine);
      await build(setup, [dockerfile(`FROM ${image('whole')}\nRUN true\n`)]);
      expect(setup.run.output.stdout())
        .to.match(/\nlatest: Pulling from whole\/image-\d+\n/)
        .and.to.not.contain('Downloading');
    });

    it('a build pulls its base image with a login, and the output hides the password', async () => {
      const setup = await createStepRun(engine);
      const base = image('whole', locked);
      const wrong = { username: 'me', password: 'sesame-open-up' };
      const buildWithLogin = (with_: RegistryLogin) =>
        setup.steps.build({
          tag: 'from-behind',
          dockerfile: 'Dockerfile',
          context: createArchive([dockerfile(`FROM ${base}\n`)]),
          signal: setup.run.ports.signal,
          output: setup.run.output,
          logins: { [base.split('/')[0]!]: with_ },
        });
      const error = await expectRejection(buildWithLogin(wrong));
      expect(error.message).to.match(
        /^cannot build the image: .*(unauthorized|authentication required|no basic auth)/i,
      );
      expect(collectText(error) + setup.run.output.stdout()).to.not.include(wrong.password);
      made.push(await buildWithLogin(login));
    });

    const failures: Record<string, { text: string; file?: string; tag?: string; message: RegExp }> = {
      'a failing step': {
        text: 'FROM busybox\nRUN exit 3\n',
        message: /^cannot build the image: The command '\/bin\/sh -c exit 3' returned a non-zero code: 3$/,
      },
      'a missing base image': {
        text: 'FROM 127.0.0.1:1/nosuch\n',
        message: /^cannot build the image: .*connection refused/,
      },
      'no Dockerfile': {
        text: '',
        file: 'Nope',
        message: /^cannot build the image: Cannot locate specified Dockerfile: Nope$/,
      },
      'an invalid instruction': {
        text: 'FRM busybox\n',
        message: /^cannot build the image: dockerfile parse error line 1: unknown instruction: FRM$/,
      },
      'a missing file': {
        text: 'FROM busybox\nCOPY nope /\n',
        message: /^cannot build the image: COPY failed: .*nope/,
      },
      'an invalid tag': {
        text: 'FROM busybox\n',
        tag: 'No Tag',
        message: /^cannot build the image: invalid reference format/,
      },
    };
    for (const [what, { text, file, tag, message }] of Object.entries(failures)) {
      it(`a failed build reports the reason: ${what}`, async () => {
        const setup = await createStepRun(engine);
        const error = await expectRejection(
          build(setup, [dockerfile(text)], {
            ...(file !== undefined && { dockerfile: file }),
            ...(tag !== undefined && { tag }),
          }),
        );
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(message);
        expect(error.message).to.not.match(/overlay2|\/var\/lib|docker\.sock/);
        expect(await containers()).to.deep.equal([]);
      });
    }

    // Abort before the first container exists, after its creation, and after its first output.
    for (const moment of ['Step 2', 'Running in', 'has begun']) {
      for (const way of ['request', 'run'] as const) {
        it(`a build stops when its ${way} is aborted after "${moment}", and leaves no container`, async () => {
          const setup = await createStepRun(engine);
          const stop = new AbortController();
          const failure = expectRejection(
            build(setup, [dockerfile('FROM busybox\nRUN echo has "" begun | tr -s " "; sleep 60\n')], {
              signal: stop.signal,
              tag: 'never-built',
            }),
          );
          await setup.run.output.waitForText(`${moment}`);
          if (way === 'request') stop.abort();
          else setup.run.abort();
          const error = await withDeadline('the build ends', failure, 20_000);
          expect(error).to.be.instanceOf(WorkFailed);
          expect(error.message).to.equal('cannot build the image: the build was stopped');
          expect(await containers()).to.deep.equal([]);
        });
      }
    }

    it('a build does not start after an abort, and the archive is closed', async () => {
      const setup = await createStepRun(engine);
      setup.run.abort();
      expect((await expectRejection(build(setup, [dockerfile('FROM busybox\n')]))).message).to.equal(
        'cannot build the image: the build was stopped',
      );
      expect(setup.run.output.stdout()).to.equal('');
    });

    it('a build stops while its archive is being read', async () => {
      const setup = await createStepRun(engine);
      let asked = (): void => {};
      const wanted = new Promise<void>((resolve) => {
        asked = resolve;
      });
      const context = (async function* () {
        yield Buffer.alloc(100);
        asked();
        await new Promise(() => {});
      })();
      const failure = expectRejection(
        setup.steps.build({
          tag: 'never-built',
          dockerfile: 'Dockerfile',
          context,
          signal: setup.run.ports.signal,
          output: setup.run.output,
        }),
      );
      await wanted;
      setup.run.abort();
      expect((await withDeadline('the build ends', failure)).message).to.equal(
        'cannot build the image: the build was stopped',
      );
    });

    it('a build stops although the log accepts no output', async () => {
      const setup = await createStepRun(engine);
      const failure = expectRejection(build(setup, [dockerfile('FROM busybox\nRUN yes\n')], { tag: 'never-built' }));
      await setup.run.output.waitForText('Running in');
      setup.run.output.block();
      setup.run.abort();
      expect((await withDeadline('the build ends', failure)).message).to.equal(
        'cannot build the image: the build was stopped',
      );
      setup.run.output.unblock();
    });

    it('a build fails with the error of its archive', async () => {
      const setup = await createStepRun(engine);
      const fault = new Error('the disk is broken');
      const context = (async function* () {
        yield Buffer.alloc(100);
        throw fault;
      })();
      const error = await expectRejection(
        setup.steps.build({
          tag: 'never-built',
          dockerfile: 'Dockerfile',
          context,
          signal: setup.run.ports.signal,
          output: setup.run.output,
        }),
      );
      expect(error).to.equal(fault);
    });

    async function containers(): Promise<string[]> {
      const found = await raw.docker.listContainers({ all: true });
      return found.filter(({ Command }) => /exit 3|sleep 60|yes/.test(Command)).map(({ Command }) => Command);
    }
  });
});

/** Returns all text of an error that a log could contain. */
function collectText(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? '';
  return [error.message, error.stack, JSON.stringify(error), collectText(error.cause)].join('\n');
}
