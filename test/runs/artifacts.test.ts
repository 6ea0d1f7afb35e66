// What jobs made, as it lies in the folder of a run: listed, opened, and never anything beside it.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { artifactBytes, listArtifacts, openArtifact } from '../../server/runs/artifacts.ts';
import { inFolder, openFiles } from './kit.ts';

async function inArtifacts(work: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (outer) => {
    const folder = join(outer, 'artifacts');
    await mkdir(join(folder, 'build', 'deep', 'empty'), { recursive: true });
    await writeFile(join(outer, 'secret'), 'secret');
    await writeFile(join(folder, 'build', 'app.js'), '1+1');
    await writeFile(join(folder, 'build', 'deep', 'größe.txt'), 'x'.repeat(1000));
    await writeFile(join(folder, 'build-2'), '');
    await symlink('app.js', join(folder, 'build', 'latest'));
    await symlink('../../secret', join(folder, 'build', 'out'));
    await symlink(join(outer, 'secret'), join(folder, 'build', 'absolute'));
    await symlink('..', join(folder, 'build', 'up'));
    await symlink('loop', join(folder, 'build', 'loop'));
    await work(folder);
  });
}

async function contentOf(folder: string, path: string): Promise<string | undefined> {
  const found = await openArtifact(folder, path);
  if (found === undefined) return undefined;
  const content = await found.file.readFile('utf8');
  await found.file.close();
  expect(found.bytes).to.equal(Buffer.byteLength(content));
  return content;
}

describe('the artifacts of a run', () => {
  it('are listed in the order of their paths, links as links and folders not at all', () => inArtifacts(async (folder) => {
    const { artifacts, truncated } = await listArtifacts(folder, 100);
    expect(artifacts.map(({ path, type, bytes }) => [path, type, bytes])).to.deep.equal([
      ['build-2', 'file', 0], ['build/absolute', 'link', folder.length - 3], ['build/app.js', 'file', 3], ['build/deep/größe.txt', 'file', 1000],
      ['build/latest', 'link', 6], ['build/loop', 'link', 4], ['build/out', 'link', 12], ['build/up', 'link', 2],
    ]);
    expect(truncated).to.equal(undefined);
    for (const { modified } of artifacts) expect(new Date(modified).toISOString()).to.equal(modified);
    expect(await artifactBytes(folder)).to.equal(artifacts.reduce((sum, { bytes }) => sum + bytes, 0));
  }));

  it('are listed up to a bound, and it is told that there are more', () => inArtifacts(async (folder) => {
    const some = await listArtifacts(folder, 3);
    expect(some.artifacts).to.have.length(3);
    expect(some.truncated).to.equal(true);
    expect(await listArtifacts(folder, 8)).not.to.have.property('truncated');
  }));

  it('are none where there is no folder, or an empty one', () => inFolder(async (folder) => {
    await mkdir(join(folder, 'artifacts'));
    for (const name of ['artifacts', 'none']) {
      expect(await listArtifacts(join(folder, name), 5)).to.deep.equal({ artifacts: [] });
      expect(await artifactBytes(join(folder, name))).to.equal(0);
      expect(await openArtifact(join(folder, name), 'x')).to.equal(undefined);
    }
  }));

  it('are opened by their path, also through links that stay inside', () => inArtifacts(async (folder) => {
    expect(await contentOf(folder, 'build/app.js')).to.equal('1+1');
    expect(await contentOf(folder, 'build/latest')).to.equal('1+1');
    expect(await contentOf(folder, 'build/up/build/deep/größe.txt')).to.have.length(1000);
    expect(await contentOf(folder, 'build-2')).to.equal('');
  }));

  it('are nothing else than files in their folder, and nothing is left open by a look', () => inArtifacts(async (folder) => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const before = openFiles();
    const paths = [
      '', '.', '..', '../secret', 'build/../../secret', 'build/out', 'build/absolute', 'build/up/../secret', 'build/up', 'build', 'build/', '/build/app.js', '/etc/passwd',
      'build//app.js', './build/app.js', 'build/app.js/x', 'build/loop', 'pipe', 'none', 'build/app.js\0', 'x'.repeat(5000), 'x/'.repeat(3000),
    ];
    for (const path of paths) expect(await openArtifact(folder, path), JSON.stringify(path.slice(0, 50))).to.equal(undefined);
    expect(openFiles()).to.equal(before);
  }));

  it('have another version when they change', () => inArtifacts(async (folder) => {
    const version = async (): Promise<string> => {
      const found = (await openArtifact(folder, 'build/app.js'))!;
      await found.file.close();
      return found.version;
    };
    const first = await version();
    expect(await version()).to.equal(first);
    await rm(join(folder, 'build', 'app.js'));
    await writeFile(join(folder, 'build', 'app.js'), '1+2');
    expect(await version()).not.to.equal(first);
  }));
});
