// Tests how the configuration is reloaded when its file changes.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import { loadConfig } from '../../../server/config/load/load.ts';
import { readPipelineFile } from '../../../server/config/load/read-file.ts';
import type { ConfigChange, DelayedChange, WatchOptions } from '../../../server/config/reload/watch.ts';
import { watchConfig } from '../../../server/config/reload/watch.ts';
import type { Folder } from '../../helpers/config/config-folder.ts';
import { inFolder } from '../../helpers/config/config-folder.ts';

/** Changes and delays in their order, to be awaited one by one. */
function createQueue<T>() {
  const queued: T[] = [];
  let wake: (() => void) | undefined;
  return {
    push(item: T) {
      queued.push(item);
      wake?.();
    },
    async next(): Promise<T> {
      while (queued.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return queued.shift()!;
    },
    get waiting() {
      return queued.length;
    },
  };
}

const hourMs = 3_600_000;
/** With these limits, only SIGHUP applies a file that removes something. */
const quickLimits = { configQuietMs: 10, configConfirmMs: hourMs };

interface Watched {
  readonly changes: ReturnType<typeof createQueue<ConfigChange>>;
  readonly delays: ReturnType<typeof createQueue<DelayedChange>>;
}

type Queue = Watched['changes'];

async function watchingFile(
  file: string,
  body: (watched: Watched) => Promise<void>,
  limits: WatchOptions['limits'] = quickLimits,
): Promise<void> {
  const loaded = await loadConfig(file);
  if (!loaded.ok) throw new Error('the configuration was rejected');
  const watched = { changes: createQueue<ConfigChange>(), delays: createQueue<DelayedChange>() };
  const ending = new AbortController();
  const options = { signal: ending.signal, running: loaded.config, onDelay: watched.delays.push, limits };
  watchConfig(file, watched.changes.push, options);
  try {
    await body(watched);
  } finally {
    ending.abort();
  }
}

async function watching(
  text: string,
  body: (folder: Folder, changes: Queue, delays: Watched['delays']) => Promise<void>,
  limits?: WatchOptions['limits'],
): Promise<void> {
  await inFolder(async (folder) => {
    await folder.write('distillery.yaml', text);
    await watchingFile(folder.file, ({ changes, delays }) => body(folder, changes, delays), limits);
  });
}

function readApi(change: ConfigChange): unknown {
  return change.ok ? change.config.http.api : change.diagnostics.map(({ message }) => message);
}

describe('watchConfig', () => {
  it('watchConfig reports the new configuration when the file is written', () =>
    watching('http: { api: false }', async ({ write }, queued) => {
      await write('distillery.yaml', 'http: { api: true }');
      expect(await queued.next())
        .to.deep.include({ ok: true, restartNeeded: [] })
        .and.to.have.nested.property('config.http.api', true);
    }));

  it('watchConfig follows a file that editors replace several times', () =>
    watching('http: { api: false }', async ({ write, file }, queued) => {
      for (const api of [true, false, true]) {
        await rename(await write('new.tmp', `http: { api: ${api} }`), file);
        expect(readApi(await queued.next())).to.equal(api);
      }
    }));

  it('watchConfig reports an invalid file and keeps watching', () =>
    watching('http: { api: true }', async ({ write }, queued) => {
      await write('distillery.yaml', 'http: { api: maybe }');
      expect(readApi(await queued.next())).to.deep.equal(['must be true or false, not "maybe"']);
      await write('distillery.yaml', 'http: { api: false }');
      expect(readApi(await queued.next())).to.equal(false);
    }));

  it('watchConfig reports that the file has disappeared, and that it has returned', () =>
    watching('http: { api: true }', async ({ write, file }, queued) => {
      await rm(file);
      expect(String(readApi(await queued.next()))).to.contain('there is no such file');
      await write('distillery.yaml', 'http: { api: true }');
      expect(readApi(await queued.next())).to.equal(true);
    }));

  it('watchConfig reloads on SIGHUP even if nothing has changed', () =>
    watching('http: { api: true }', async (_folder, queued) => {
      process.kill(process.pid, 'SIGHUP');
      expect(readApi(await queued.next())).to.equal(true);
      process.kill(process.pid, 'SIGHUP');
      expect(readApi(await queued.next())).to.equal(true);
    }));

  it('watchConfig ignores other files, and the same content written again', () =>
    watching('http: { api: false }', async ({ write }, queued) => {
      await write('other', 'x');
      await write('distillery.yaml', 'http: { api: false }');
      await write('distillery.yaml', 'http: { api: true }');
      expect(readApi(await queued.next())).to.equal(true);
      process.kill(process.pid, 'SIGHUP');
      expect(readApi(await queued.next())).to.equal(true);
      expect(queued.waiting).to.equal(0);
    }));

  it('watchConfig names the keys that need a restart, keeps their values, and applies the others', () =>
    watching('data: a\nnode: left', async ({ write, path }, queued) => {
      await write(
        'distillery.yaml',
        'http: { api: true, listen: "127.0.0.1:9" }\ndata: b\nnode: right\ndocker: { host: ' +
          '"unix:///x" }\nenvironment: [PATH]\nlimits: { pullMs: 1m, firstCallMs: 3s }',
      );
      const change = await queued.next();
      if (!change.ok) throw new Error('the configuration was rejected');
      expect(change.restartNeeded).to.deep.equal([
        'http.listen',
        'data',
        'docker.host',
        'environment',
        'node',
        'limits.pullMs',
      ]);
      const { http, data, node, docker, environment, limits } = change.config;
      expect([environment.length, limits.pullMs, limits.firstCallMs]).to.deep.equal([9, defaultLimits.pullMs, 3_000]);
      expect({ http, data, node, docker }).to.deep.equal({
        http: { api: true, host: '127.0.0.1', port: 8080, domains: [], origins: [], keepAliveMs: 65_000 },
        data: join(path, 'a'),
        node: 'left',
        docker: { host: 'auto' },
      });
      expect([change.config, http, limits].every(Object.isFrozen)).to.equal(true);
    }));

  it('watchConfig detects a change between loading and watching', () =>
    inFolder(async ({ load, write, file }) => {
      const running = await load('http: { api: false }');
      await write('distillery.yaml', 'http: { api: true }');
      const queued = createQueue<ConfigChange>();
      const ending = new AbortController();
      watchConfig(file, queued.push, { signal: ending.signal, running, limits: quickLimits });
      expect(readApi(await queued.next())).to.equal(true);
      ending.abort();
    }));

  it('watchConfig leaves no listener and no watcher behind', () =>
    inFolder(async (folder) => {
      const before = process.listenerCount('SIGHUP');
      const ending = new AbortController();
      watchConfig(folder.file, () => expect.fail('called'), { signal: ending.signal, running: await folder.load('') });
      expect(process.listenerCount('SIGHUP')).to.equal(before + 1);
      ending.abort();
      expect(process.listenerCount('SIGHUP')).to.equal(before);
      watchConfig(folder.file, () => expect.fail('called'), { signal: ending.signal, running: await folder.load('') });
      expect(process.listenerCount('SIGHUP')).to.equal(before);
    }));
});

const full = `http: { api: true }
retention:
  age: 400d
calls:
  kept: { process: [ls] }
  guarded:
    process: [ls]
    scope: admin
`;
const firstHalf = full.slice(0, full.indexOf('retention'));

describe('a configuration file that may be incomplete', () => {
  it('C1: an emptied file is not applied at once, and restoring its content removes nothing', () =>
    watching(full, async ({ write }, changes, delays) => {
      await write('distillery.yaml', '');
      expect(await delays.next()).to.deep.equal({
        removed: ['http', 'retention', 'calls', 'calls.kept', 'calls.guarded'],
        confirmMs: hourMs,
      });
      await write('distillery.yaml', `${full}# the same\n`);
      const change = await changes.next();
      expect(change).to.deep.include({ ok: true, removed: [] });
      expect(changes.waiting).to.equal(0);
    }));

  it('C1: a file that is saved in two steps is applied as a whole', () =>
    watching(full, async ({ write }, changes, delays) => {
      const next = full.replace('400d', '500d');
      await write('distillery.yaml', firstHalf);
      expect((await delays.next()).removed).to.include('retention');
      await write('distillery.yaml', next);
      expect(await changes.next()).to.have.nested.property('config.retention.ageMs', 500 * 86_400_000);
      expect([changes.waiting, delays.waiting]).to.deep.equal([0, 0]);
    }));

  it('C1: a file that stays unchanged for configConfirmMs is applied, with the names of what it removed', () =>
    watching(
      full,
      async ({ write }, changes, delays) => {
        await write('distillery.yaml', firstHalf);
        const change = await changes.next();
        expect(change).to.deep.include({
          ok: true,
          removed: ['retention', 'calls', 'calls.kept', 'calls.guarded'],
        });
        expect(delays.waiting).to.equal(1);
      },
      { configQuietMs: 10, configConfirmMs: 50 },
    ));

  it('C1: SIGHUP applies a file at once, whatever it removes', () =>
    watching(full, async ({ write }, changes, delays) => {
      await write('distillery.yaml', '');
      await delays.next();
      process.kill(process.pid, 'SIGHUP');
      expect(await changes.next()).to.have.nested.property('config.http.api', false);
      await write('distillery.yaml', full);
      process.kill(process.pid, 'SIGHUP');
      expect(await changes.next()).to.have.nested.property('config.http.api', true);
    }));

  it('C1: a file is read only after configQuietMs without a change, but SIGHUP reads it at once', () =>
    watching(
      full,
      async ({ write }, changes) => {
        await write('distillery.yaml', full.replace('kept', 'first'));
        await write('distillery.yaml', full.replace('400d', '500d'));
        process.kill(process.pid, 'SIGHUP');
        expect(await changes.next()).to.have.nested.property('config.retention.ageMs', 500 * 86_400_000);
        expect(changes.waiting).to.equal(0);
      },
      { configQuietMs: hourMs, configConfirmMs: hourMs },
    ));

  it('C1: a call that disappears from a module counts as removed', () =>
    inFolder(async ({ write, file }) => {
      const module = (names: string) => `import { defineCall } from 'distillery-gateway/calls';
        export const calls = ${names}.map((name) => defineCall({ name, run() {} }));`;
      await write('m.ts', module('["a", "b"]'));
      await write('distillery.yaml', 'modules: [m.ts]\n');
      await watchingFile(file, async ({ delays }) => {
        await write('m.ts', module('["a"]'));
        await write('distillery.yaml', 'modules: [m.ts]\nnode: other\n');
        expect((await delays.next()).removed).to.deep.equal(['calls.b']);
      });
    }));
});

describe('a configuration file behind links and folders that are replaced', () => {
  const api = (on: boolean): string => `http: { api: ${on} }\n`;

  it('C2: a change of the target of a link is noticed, and so is a new target', () =>
    inFolder(async ({ path, write, file }) => {
      await mkdir(join(path, 'elsewhere'));
      const target = await write('elsewhere/real.yaml', api(false));
      await symlink(target, file);
      await watchingFile(file, async ({ changes }) => {
        await write('elsewhere/real.yaml', api(true));
        expect(readApi(await changes.next())).to.equal(true);
        await rename(await write('elsewhere/new', api(false)), target);
        expect(readApi(await changes.next())).to.equal(false);
        await write('elsewhere/real.yaml', api(true));
        expect(readApi(await changes.next())).to.equal(true);
        await write('other.yaml', api(false));
        await symlink('other.yaml', join(path, 'link'));
        await rename(join(path, 'link'), file);
        expect(readApi(await changes.next())).to.equal(false);
        await write('other.yaml', api(true));
        expect(readApi(await changes.next())).to.equal(true);
      });
    }));

  it('C2: a switch of a linked folder is noticed, also if both folders have the same file', () =>
    inFolder(async ({ path, write }) => {
      const release = async (name: string, text: string): Promise<void> => {
        await mkdir(join(path, name));
        await write(`${name}/distillery.yaml`, text);
      };
      const switchTo = async (name: string): Promise<void> => {
        await symlink(name, join(path, 'next'));
        await rename(join(path, 'next'), join(path, 'current'));
      };
      await release('1', api(false));
      await release('2', api(true));
      await release('3', api(true));
      await switchTo('1');
      await watchingFile(join(path, 'current', 'distillery.yaml'), async ({ changes }) => {
        await switchTo('2');
        expect(readApi(await changes.next())).to.equal(true);
        await switchTo('3');
        expect(readApi(await changes.next())).to.equal(true);
        await write('3/distillery.yaml', api(false));
        expect(readApi(await changes.next())).to.equal(false);
        expect(changes.waiting).to.equal(0);
      });
    }));

  it('C2: a folder that is renamed away and created again is noticed each time', () =>
    inFolder(async ({ path, write }) => {
      const folder = join(path, 'etc');
      await mkdir(folder);
      await write('etc/distillery.yaml', api(true));
      await watchingFile(join(folder, 'distillery.yaml'), async ({ changes }) => {
        for (const round of [1, 2]) {
          await rename(folder, join(path, `old-${round}`));
          expect(String(readApi(await changes.next()))).to.contain('there is no such file');
          await mkdir(folder);
          await writeFile(join(folder, 'distillery.yaml'), api(round === 2));
          expect(readApi(await changes.next())).to.equal(round === 2);
        }
      });
    }));

  it('C2: SIGHUP reads the file again after its folder was replaced, and changes are noticed from then on', () =>
    inFolder(async ({ path, write }) => {
      const folder = join(path, 'etc');
      await mkdir(folder);
      await write('etc/distillery.yaml', api(false));
      await watchingFile(join(folder, 'distillery.yaml'), async ({ changes }) => {
        await rename(folder, join(path, 'old'));
        await mkdir(folder);
        await writeFile(join(folder, 'distillery.yaml'), api(true));
        process.kill(process.pid, 'SIGHUP');
        expect(readApi(await changes.next())).to.equal(true);
        await writeFile(join(folder, 'distillery.yaml'), api(false));
        expect(readApi(await changes.next())).to.equal(false);
      });
    }));
});

describe('a configuration file that is not a regular file', () => {
  const api = (on: boolean): string => `http: { api: ${on} }\n`;

  it('C3: a pipe is read once and not watched, which is reported once', async () => {
    // The shell holds the pipe open, as that of a process substitution does.
    const shell = spawn('bash', ['-c', `exec 3< <(printf '${api(true).trim()}'); echo ready; read -r _`]);
    try {
      await once(shell.stdout, 'data');
      const file = `/proc/${shell.pid}/fd/3`;
      const loaded = await loadConfig(file);
      if (!loaded.ok) throw new Error('the configuration was rejected');
      expect(loaded.config.http.api).to.equal(true);
      const changes = createQueue<ConfigChange>();
      const reports = createQueue<string>();
      const ending = new AbortController();
      watchConfig(file, changes.push, {
        signal: ending.signal,
        running: loaded.config,
        limits: { configQuietMs: 1, configConfirmMs: 1 },
        onUnwatchable: () => reports.push('not watched'),
      });
      try {
        expect(await reports.next()).to.equal('not watched');
        // An explicit reload does not read the empty pipe either.
        process.kill(process.pid, 'SIGHUP');
        expect(readApi(await changes.next())).to.deep.equal(['this is not a regular file']);
        expect([changes.waiting, reports.waiting]).to.deep.equal([0, 0]);
      } finally {
        ending.abort();
      }
    } finally {
      shell.kill('SIGKILL');
    }
  });

  it('C3: a file that is replaced by a pipe for a moment is reported, and reloaded when it returns', () =>
    watching(api(false), async ({ write, file, path }, changes) => {
      execFileSync('mkfifo', [join(path, 'pipe')]);
      await rename(join(path, 'pipe'), file);
      expect(readApi(await changes.next())).to.deep.equal(['this is not a regular file']);
      await rename(await write('new', api(true)), file);
      expect(readApi(await changes.next())).to.equal(true);
    }));

  it('C3: a pipeline file that is a pipe is an error, and does not block', () =>
    inFolder(async ({ path, diagnostics }) => {
      execFileSync('mkfifo', [join(path, 'p.yaml')]);
      expect(String(await diagnostics('calls: { a: { pipeline: p.yaml } }'))).to.contain(
        'cannot read the pipeline "p.yaml": this is not a regular file',
      );
      const read = await readPipelineFile(join(path, 'p.yaml')).catch((error: unknown) => String(error));
      expect(read).to.contain('cannot read the pipeline p.yaml: this is not a regular file');
    }));
});
