import { expect } from 'chai';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultLimits } from '../../protocol/limits.ts';
import { watchConfig } from '../../server/config/watch.ts';
import type { Change } from '../../server/config/watch.ts';
import { inFolder } from './folder.ts';
import type { Folder } from './folder.ts';

/** Changes as they come, to be awaited one by one. */
function changes() {
  const come: Change[] = [];
  let told: (() => void) | undefined;
  return {
    push(change: Change) { come.push(change); told?.(); },
    async next(): Promise<Change> {
      if (come.length === 0) await new Promise<void>((resolve) => { told = resolve; });
      return come.shift()!;
    },
    get waiting() { return come.length; },
  };
}

async function watching(text: string, body: (folder: Folder, come: ReturnType<typeof changes>) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const running = await folder.load(text);
    const come = changes();
    const ending = new AbortController();
    watchConfig(folder.file, come.push, { signal: ending.signal, running });
    try {
      await body(folder, come);
    } finally {
      ending.abort();
    }
  });
}

function apiOf(change: Change): unknown {
  return change.ok ? change.config.http.api : change.problems.map(({ message }) => message);
}

describe('watchConfig', () => {
  it('gives the new configuration when the file is written', () => watching('http: { api: false }', async ({ write }, come) => {
    await write('distillery.yaml', 'http: { api: true }');
    expect(await come.next()).to.deep.include({ ok: true, restartNeeded: [] }).and.to.have.nested.property('config.http.api', true);
  }));

  it('follows a file that is put in place of the old one, as editors do, again and again', () => watching('http: { api: false }', async ({ write, file }, come) => {
    for (const api of [true, false, true]) {
      await rename(await write('new.tmp', `http: { api: ${api} }`), file);
      expect(apiOf(await come.next())).to.equal(api);
    }
  }));

  it('tells what is wrong with an invalid file, and goes on', () => watching('http: { api: true }', async ({ write }, come) => {
    await write('distillery.yaml', 'http: { api: maybe }');
    expect(apiOf(await come.next())).to.deep.equal(['must be true or false, not "maybe"']);
    await write('distillery.yaml', 'http: { api: false }');
    expect(apiOf(await come.next())).to.equal(false);
  }));

  it('tells when the file is gone, and when it is back', () => watching('http: { api: true }', async ({ write, file }, come) => {
    await rm(file);
    expect(String(apiOf(await come.next()))).to.contain('there is no such file');
    await write('distillery.yaml', 'http: { api: true }');
    expect(apiOf(await come.next())).to.equal(true);
  }));

  it('reads again on SIGHUP, although nothing has changed', () => watching('http: { api: true }', async (_folder, come) => {
    process.kill(process.pid, 'SIGHUP');
    expect(apiOf(await come.next())).to.equal(true);
    process.kill(process.pid, 'SIGHUP');
    expect(apiOf(await come.next())).to.equal(true);
  }));

  it('is not disturbed by other files, nor by the same content written again', () => watching('http: { api: false }', async ({ write }, come) => {
    await write('other', 'x');
    await write('distillery.yaml', 'http: { api: false }');
    await write('distillery.yaml', 'http: { api: true }');
    expect(apiOf(await come.next())).to.equal(true);
    process.kill(process.pid, 'SIGHUP');
    expect(apiOf(await come.next())).to.equal(true);
    expect(come.waiting).to.equal(0);
  }));

  it('names the keys that need a restart, keeps their values, and applies the others', () => watching('data: a\nnode: left', async ({ write, path }, come) => {
    await write('distillery.yaml', 'http: { api: true, listen: "127.0.0.1:9" }\ndata: b\nnode: right\ndocker: { host: "unix:///x" }\nenvironment: [PATH]\nlimits: { pullMs: 1m, firstCallMs: 3s }');
    const change = await come.next();
    if (!change.ok) throw new Error('it was refused');
    expect(change.restartNeeded).to.deep.equal(['http.listen', 'data', 'docker.host', 'environment', 'node', 'limits.pullMs']);
    const { http, data, node, docker, environment, limits } = change.config;
    expect([environment.length, limits.pullMs, limits.firstCallMs]).to.deep.equal([9, defaultLimits.pullMs, 3_000]);
    expect({ http, data, node, docker }).to.deep.equal({
      http: { api: true, host: '127.0.0.1', port: 8080, domains: [], origins: [] }, data: join(path, 'a'), node: 'left', docker: { host: 'auto' },
    });
    expect([change.config, http, limits].every(Object.isFrozen)).to.equal(true);
  }));

  it('notices what changed between loading and watching', () => inFolder(async ({ load, write, file }) => {
    const running = await load('http: { api: false }');
    await write('distillery.yaml', 'http: { api: true }');
    const come = changes();
    const ending = new AbortController();
    watchConfig(file, come.push, { signal: ending.signal, running });
    expect(apiOf(await come.next())).to.equal(true);
    ending.abort();
  }));

  it('leaves no listener and no watcher behind', () => inFolder(async (folder) => {
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
