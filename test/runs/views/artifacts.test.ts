// Tests artifacts in the folder of a run: they can be listed and opened, and nothing outside the folder can.

import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { artifactBytes, listArtifacts, openArtifact } from '../../../server/runs/views/artifacts.ts';
import { countOpenFiles, withTempFolder } from '../../helpers/runs/test-log.ts';

async function inArtifacts(work: (folder: string) => Promise<void>): Promise<void> {
  await withTempFolder(async (outer) => {
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

async function readArtifact(folder: string, path: string): Promise<string | undefined> {
  const found = await openArtifact(folder, path);
  if (found === undefined) return undefined;
  const content = await found.file.readFile('utf8');
  await found.file.close();
  expect(found.bytes).to.equal(Buffer.byteLength(content));
  return content;
}

describe('the artifacts of a run', () => {
  it('artifacts are listed by path, with links as links and without folders', () =>
    inArtifacts(async (folder) => {
      const { artifacts, truncated } = await listArtifacts(folder, 100);
      expect(artifacts.map(({ path, type, bytes }) => [path, type, bytes])).to.deep.equal([
        ['build-2', 'file', 0],
        ['build/absolute', 'link', folder.length - 3],
        ['build/app.js', 'file', 3],
        ['build/deep/größe.txt', 'file', 1000],
        ['build/latest', 'link', 6],
        ['build/loop', 'link', 4],
        ['build/out', 'link', 12],
        ['build/up', 'link', 2],
      ]);
      expect(truncated).to.equal(undefined);
      for (const { modified } of artifacts) expect(new Date(modified).toISOString()).to.equal(modified);
      expect(await artifactBytes(folder)).to.equal(artifacts.reduce((sum, { bytes }) => sum + bytes, 0));
    }));

  it('the list of artifacts has a limit and reports that it is truncated', () =>
    inArtifacts(async (folder) => {
      const some = await listArtifacts(folder, 3);
      expect(some.artifacts).to.have.length(3);
      expect(some.truncated).to.equal(true);
      expect(await listArtifacts(folder, 8)).not.to.have.property('truncated');
    }));

  it('a missing or empty folder has no artifacts', () =>
    withTempFolder(async (folder) => {
      await mkdir(join(folder, 'artifacts'));
      for (const name of ['artifacts', 'none']) {
        expect(await listArtifacts(join(folder, name), 5)).to.deep.equal({ artifacts: [] });
        expect(await artifactBytes(join(folder, name))).to.equal(0);
        expect(await openArtifact(join(folder, name), 'x')).to.equal(undefined);
      }
    }));

  it('artifacts are opened by path, also through links that stay inside the folder', () =>
    inArtifacts(async (folder) => {
      expect(await readArtifact(folder, 'build/app.js')).to.equal('1+1');
      expect(await readArtifact(folder, 'build/latest')).to.equal('1+1');
      expect(await readArtifact(folder, 'build/up/build/deep/größe.txt')).to.have.length(1000);
      expect(await readArtifact(folder, 'build-2')).to.equal('');
    }));

  it('only files inside the folder are artifacts, and no file stays open', () =>
    inArtifacts(async (folder) => {
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      const before = countOpenFiles();
      const paths = [
        '',
        '.',
        '..',
        '../secret',
        'build/../../secret',
        'build/out',
        'build/absolute',
        'build/up/../secret',
        'build/up',
        'build',
        'build/',
        '/build/app.js',
        '/etc/passwd',
        'build//app.js',
        './build/app.js',
        'build/app.js/x',
        'build/loop',
        'pipe',
        'none',
        'build/app.js\0',
        'x'.repeat(5000),
        'x/'.repeat(3000),
      ];
      for (const path of paths)
        expect(await openArtifact(folder, path), JSON.stringify(path.slice(0, 50))).to.equal(undefined);
      expect(countOpenFiles()).to.equal(before);
    }));

  it('an artifact has another version after it has changed', () =>
    inArtifacts(async (folder) => {
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
