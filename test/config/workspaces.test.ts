import { expect } from 'chai';
import { mkdir, realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { inWorkspaces } from '../../server/config/workspaces.ts';
import { inFolder } from './folder.ts';

describe('inWorkspaces', () => {
  it('follows links, and takes what is inside of an allowed folder', () => inFolder(async ({ path }) => {
    await mkdir(join(path, 'work/a'), { recursive: true });
    await symlink('a', join(path, 'work/link'));
    await symlink(path, join(path, 'other'));
    const real = await realpath(path);
    for (const [folder, found] of [['work', 'work'], ['work/a', 'work/a'], ['work/link', 'work/a'], ['other/work', 'work']] as const) {
      expect(await inWorkspaces(join(path, folder), [join(path, 'other/work')])).to.equal(join(real, found));
    }
  }));

  it('refuses what is elsewhere, by its name or by a link, and what is not there', () => inFolder(async ({ path }) => {
    await mkdir(join(path, 'work'));
    await mkdir(join(path, 'workshop'));
    await symlink('/etc', join(path, 'work/etc'));
    const failure = async (folder: string, allowed: readonly string[] = [join(path, 'work')]) => inWorkspaces(join(path, folder), allowed).catch((error: unknown) => error);
    for (const folder of ['workshop', 'work/etc', '.']) expect(await failure(folder)).to.have.property('message').that.matches(/^the folder ".*" leads out of those that the operator allows$/);
    expect(await failure('none')).to.have.property('message').that.matches(/^there is no folder ".*none" on the gateway's machine$/);
    expect(await failure('work', [])).to.have.property('name', 'WorkFailed');
    expect(await failure('work', ['/no/such/folder'])).to.have.property('name', 'WorkFailed');
  }));
});
