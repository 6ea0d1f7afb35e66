// Images for steps: looked for, pulled once for all who want them, with a login where one is needed; and built.

import { expect } from 'chai';
import type { ImageWish, RegistryLogin } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { engineNetwork, sharedEngine } from '../helpers/engine.ts';
import { startRegistry, type LayerFate, type Registry } from '../helpers/registry.ts';
import { soon, until } from '../helpers/until.ts';
import { failureOf, testEngine } from './setup.ts';
import { archiveOf, rawEngine, stepRun, type Entry, type StepRun } from './steps-setup.ts';

describe('docker images', function () {
  this.timeout(60_000);
  let engine: DockerEngine;
  let raw: Connection;
  let registry: Registry;
  let locked: Registry;
  const made: string[] = [];
  const login: RegistryLogin = { username: 'me', password: 'p/w+"ä' };

  before(async () => {
    const host = await sharedEngine();
    engine = testEngine(host);
    raw = await rawEngine(host);
    [registry, locked] = await Promise.all([
      startRegistry(engineNetwork()), startRegistry(engineNetwork(), { login: `${login.username}:${login.password}` }),
    ]);
  });

  after(async () => {
    for (const image of made) await raw.docker.getImage(image).remove({ force: true }).catch(() => {});
    await Promise.all([registry.close(), locked.close()]);
    raw.close();
    engine.close();
  });

  afterEach(async () => {
    expect(await engine.list()).to.deep.equal([]);
  });

  function image(fate: LayerFate, from: Registry = registry): string {
    const name = from.image(fate);
    made.push(name);
    return name;
  }

  interface Wanted {
    readonly wish: ImageWish;
    readonly stop: AbortController;
    pulls: number;
  }

  function wanting(name: string, more: Partial<ImageWish> = {}): Wanted {
    const stop = new AbortController();
    const wanted: Wanted = { stop, pulls: 0, wish: { image: name, pull: 'missing', signal: stop.signal, onPull: () => { wanted.pulls += 1; }, ...more } };
    return wanted;
  }

  describe('that are wanted', () => {
    it('are pulled when they are missing, which is told once; and then they are here', async () => {
      const it = await stepRun(engine);
      const name = image('slow');
      const pulls: number[] = [];
      for (const pull of ['missing', 'missing', 'never', 'always'] as const) {
        const wanted = wanting(name, { pull });
        await it.steps.image(wanted.wish);
        pulls.push(wanted.pulls);
      }
      expect(pulls).to.deep.equal([1, 0, 0, 1]);
      expect(it.run.events).to.deep.equal([]);
      expect(registry.asked(name)).to.equal(1);
    });

    it('mean :latest when their name says nothing else', async () => {
      const it = await stepRun(engine);
      const name = image('whole');
      await it.steps.image(wanting(name.replace(/:latest$/, '')).wish);
      const again = wanting(name);
      await it.steps.image(again.wish);
      expect(again.pulls).to.equal(0);
    });

    it('are pulled once for all who want them at the same time, in whichever run', async () => {
      const runs = await Promise.all([stepRun(engine), stepRun(engine)]);
      const name = image('slow');
      const wanted = Array.from({ length: 6 }, () => wanting(name));
      await Promise.all(wanted.map(({ wish }, at) => runs[at % 2]!.steps.image(wish)));
      expect(wanted.map(({ pulls }) => pulls)).to.deep.equal([1, 1, 1, 1, 1, 1]);
      expect(registry.asked(name)).to.equal(1);
    });

    it('go on being pulled for the others when one wants them no more', async () => {
      const it = await stepRun(engine);
      const name = image('slow');
      const [one, other] = [wanting(name), wanting(name)];
      const failure = failureOf(it.steps.image(one.wish));
      const pulled = it.steps.image(other.wish);
      await until('it is being pulled', () => one.pulls === 1);
      one.stop.abort();
      expect((await failure).message).to.equal(`cannot pull "${name}": it was stopped`);
      await pulled;
    });

    it('are let go of when nobody wants them any more, and the next one starts anew', async () => {
      const it = await stepRun(engine);
      const name = image('stalled');
      const wanted = [wanting(name), wanting(name)];
      const failures = wanted.map(({ wish }) => failureOf(it.steps.image(wish)));
      await registry.stalled();
      for (const { stop } of wanted) stop.abort();
      for (const error of await Promise.all(failures)) expect(error).to.be.instanceOf(WorkFailed);
      const next = wanting(name);
      const failure = failureOf(it.steps.image(next.wish));
      await registry.dropped();
      await until('it is pulled again', () => next.pulls === 1);
      it.run.abort();
      expect((await failure).message).to.equal(`cannot pull "${name}": it was stopped`);
    });

    it('are not asked for when it is too late', async () => {
      const it = await stepRun(engine);
      it.run.abort();
      const wanted = wanting('busybox', { pull: 'always' });
      expect((await failureOf(it.steps.image(wanted.wish))).message).to.equal('cannot pull "busybox": it was stopped');
      expect(wanted.pulls).to.equal(0);
    });

    it('that take too long are given up, with the way out', async () => {
      const impatient = testEngine(raw.host, { limits: { ...defaultLimits, pullMs: 700 } });
      const it = await stepRun(impatient);
      const name = image('stalled');
      expect((await failureOf(it.steps.image(wanting(name).wish))).message).to.equal(`cannot pull "${name}": not done after 700 ms; limits.pullMs allows more`);
      await registry.dropped();
      impatient.close();
    });

    const refusals: Record<string, { name: () => string; pull?: 'never'; message: RegExp }> = {
      'a layer that is not what was promised': { name: () => image('broken'), message: /^cannot pull "127\.0\.0\.1:\d+\/broken\/.*": .*verification failed/ },
      'no registry': { name: () => '127.0.0.1:1/nosuch:1', message: /^cannot pull "127.0.0.1:1\/nosuch:1": .*connection refused/ },
      'not to be pulled': { name: () => 'nosuch:1', pull: 'never', message: /^there is no image "nosuch:1" here, and it may not be pulled \(pull: never\)$/ },
      'no name of an image': { name: () => 'Not An Image', message: /^cannot pull "Not An Image": invalid reference format/ },
      'a path instead of a name': { name: () => '../../version', message: /^cannot pull "\.\.\/\.\.\/version": invalid reference format/ },
    };
    for (const [what, { name, pull, message }] of Object.entries(refusals)) {
      it(`say why they cannot be had: ${what}`, async () => {
        const it = await stepRun(engine);
        const error = await failureOf(it.steps.image(wanting(name(), pull === undefined ? {} : { pull }).wish));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(message);
      });
    }
  });

  describe('behind a login', () => {
    it('are had with it', async () => {
      const it = await stepRun(engine);
      await it.steps.image(wanting(image('whole', locked), { login }).wish);
    });

    it('are not had without it, nor with a wrong one, of which nothing is told', async () => {
      const it = await stepRun(engine);
      const wrong = { username: 'me', password: 'sesame-open-up' };
      for (const more of [{}, { login: wrong }]) {
        const error = await failureOf(it.steps.image(wanting(image('whole', locked), more).wish));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(/^cannot pull ".*": .*(unauthorized|authentication required|no basic auth)/i);
        expect(everythingIn(error)).to.not.include(wrong.password);
      }
    });

    it('are not shared with one who has no login', async () => {
      const it = await stepRun(engine);
      const name = image('slow', locked);
      const [pulled, failure] = [it.steps.image(wanting(name, { login }).wish), failureOf(it.steps.image(wanting(name).wish))];
      expect(await failure).to.be.instanceOf(WorkFailed);
      await pulled;
    });
  });

  describe('that are built', () => {
    const dockerfile = (text: string): Entry => ({ name: 'Dockerfile', text });

    async function build(it: StepRun, entries: readonly Entry[], more: { tag?: string; dockerfile?: string; signal?: AbortSignal } = {}): Promise<string> {
      const { signal = it.run.ports.signal, tag = 'built-custom:latest' } = more;
      made.push(tag);
      const id = await it.steps.build({ tag, dockerfile: more.dockerfile ?? 'Dockerfile', context: archiveOf(entries), signal, output: it.run.output });
      made.push(id);
      return id;
    }

    it('have what is in the archive, are known by their id, and tell what the build prints', async () => {
      const it = await stepRun(engine);
      const id = await build(it, [dockerfile('FROM busybox\nCOPY file /file\nRUN echo from the build; echo red >&2\n'), { name: 'file', text: 'copied\n' }]);
      expect(id).to.match(/^sha256:[0-9a-f]{64}$/);
      expect(it.run.output.stdout()).to.match(/^Step 1\/3 : FROM busybox\n/).and.to.contain('from the build\n').and.to.contain('red\n').and.to.not.contain('\x1b');
      expect(it.run.output.stderr()).to.equal('');
      // Another one takes the tag.
      await build(it, [dockerfile('FROM busybox\nRUN echo another > /file\n')]);
      const step = await it.steps.create(it.sh('cat /file', { image: id }));
      await (await step.start(it.run.output)).ended;
      expect(it.run.output.stdout()).to.match(/copied\n$/);
      await step.remove();
    });

    it('may have their Dockerfile anywhere, and a context of 60 MB', async () => {
      const it = await stepRun(engine);
      const big: Entry = { name: 'big', text: 'x'.repeat(60 << 20) };
      await build(it, [big, { name: 'deep/My.Dockerfile', text: 'FROM busybox\nRUN true\n' }], { dockerfile: 'deep/My.Dockerfile' });
    });

    it('pull what they are made from', async () => {
      const it = await stepRun(engine);
      await build(it, [dockerfile(`FROM ${image('whole')}\nRUN true\n`)]);
      expect(it.run.output.stdout()).to.match(/\nlatest: Pulling from whole\/image-\d+\n/).and.to.not.contain('Downloading');
    });

    it('pull it with a login where one is wanted, of which nothing is told', async () => {
      const it = await stepRun(engine);
      const base = image('whole', locked);
      const wrong = { username: 'me', password: 'sesame-open-up' };
      const build = (with_: RegistryLogin) => it.steps.build({
        tag: 'from-behind', dockerfile: 'Dockerfile', context: archiveOf([dockerfile(`FROM ${base}\n`)]), signal: it.run.ports.signal, output: it.run.output,
        logins: { [base.split('/')[0]!]: with_ },
      });
      const error = await failureOf(build(wrong));
      expect(error.message).to.match(/^cannot build the image: .*(unauthorized|authentication required|no basic auth)/i);
      expect(everythingIn(error) + it.run.output.stdout()).to.not.include(wrong.password);
      made.push(await build(login));
    });

    const failures: Record<string, { text: string; file?: string; tag?: string; message: RegExp }> = {
      'a step of it fails': { text: 'FROM busybox\nRUN exit 3\n', message: /^cannot build the image: The command '\/bin\/sh -c exit 3' returned a non-zero code: 3$/ },
      'no image to begin with': { text: 'FROM 127.0.0.1:1/nosuch\n', message: /^cannot build the image: .*connection refused/ },
      'no Dockerfile': { text: '', file: 'Nope', message: /^cannot build the image: Cannot locate specified Dockerfile: Nope$/ },
      'not to be understood': { text: 'FRM busybox\n', message: /^cannot build the image: dockerfile parse error line 1: unknown instruction: FRM$/ },
      'a file is missing': { text: 'FROM busybox\nCOPY nope /\n', message: /^cannot build the image: COPY failed: .*nope/ },
      'a tag that is none': { text: 'FROM busybox\n', tag: 'No Tag', message: /^cannot build the image: invalid reference format/ },
    };
    for (const [what, { text, file, tag, message }] of Object.entries(failures)) {
      it(`say why they cannot be: ${what}`, async () => {
        const it = await stepRun(engine);
        const error = await failureOf(build(it, [dockerfile(text)], { ...(file !== undefined && { dockerfile: file }), ...(tag !== undefined && { tag }) }));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(message);
        expect(error.message).to.not.match(/overlay2|\/var\/lib|docker\.sock/);
        expect(await containers()).to.deep.equal([]);
      });
    }

    // Told before there is a container, and when there is one.
    for (const moment of ['Step 2', 'Running in', 'has begun']) {
      for (const way of ['wish', 'run'] as const) {
        it(`end when the ${way} ends after "${moment}", and leave no container`, async () => {
          const it = await stepRun(engine);
          const stop = new AbortController();
          const failure = failureOf(build(it, [dockerfile('FROM busybox\nRUN echo has "" begun | tr -s " "; sleep 60\n')], { signal: stop.signal, tag: 'never-built' }));
          await it.run.output.has(`${moment}`);
          if (way === 'wish') stop.abort();
          else it.run.abort();
          const error = await soon('the build ends', failure, 20_000);
          expect(error).to.be.instanceOf(WorkFailed);
          expect(error.message).to.equal('cannot build the image: it was stopped');
          expect(await containers()).to.deep.equal([]);
        });
      }
    }

    it('are not begun when that is over before, and the archive is dropped', async () => {
      const it = await stepRun(engine);
      it.run.abort();
      expect((await failureOf(build(it, [dockerfile('FROM busybox\n')]))).message).to.equal('cannot build the image: it was stopped');
      expect(it.run.output.stdout()).to.equal('');
    });

    it('end while their archive is still being read', async () => {
      const it = await stepRun(engine);
      let asked = (): void => {};
      const wanted = new Promise<void>((resolve) => { asked = resolve; });
      const context = (async function* () {
        yield Buffer.alloc(100);
        asked();
        await new Promise(() => {});
      })();
      const failure = failureOf(it.steps.build({ tag: 'never-built', dockerfile: 'Dockerfile', context, signal: it.run.ports.signal, output: it.run.output }));
      await wanted;
      it.run.abort();
      expect((await soon('the build ends', failure)).message).to.equal('cannot build the image: it was stopped');
    });

    it('end also when the log is behind', async () => {
      const it = await stepRun(engine);
      const failure = failureOf(build(it, [dockerfile('FROM busybox\nRUN yes\n')], { tag: 'never-built' }));
      await it.run.output.has('Running in');
      it.run.output.hold();
      it.run.abort();
      expect((await soon('the build ends', failure)).message).to.equal('cannot build the image: it was stopped');
      it.run.output.letGo();
    });

    it('end with the fault of the archive when that cannot be read', async () => {
      const it = await stepRun(engine);
      const fault = new Error('the disk is broken');
      const context = (async function* () { yield Buffer.alloc(100); throw fault; })();
      const error = await failureOf(it.steps.build({ tag: 'never-built', dockerfile: 'Dockerfile', context, signal: it.run.ports.signal, output: it.run.output }));
      expect(error).to.equal(fault);
    });

    async function containers(): Promise<string[]> {
      const found = await raw.docker.listContainers({ all: true });
      return found.filter(({ Command }) => /exit 3|sleep 60|yes/.test(Command)).map(({ Command }) => Command);
    }
  });
});

/** Whatever a log could show of it. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? '';
  return [error.message, error.stack, JSON.stringify(error), everythingIn(error.cause)].join('\n');
}
