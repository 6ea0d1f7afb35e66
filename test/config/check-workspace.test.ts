// Tests which folders a caller may choose as workspace.

import { mkdir, realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { resolveWorkspace } from '../../server/config/check-workspace.ts';
import { inFolder } from '../helpers/config/config-folder.ts';

describe('resolveWorkspace', () => {
  it('resolveWorkspace follows links and accepts folders inside an allowed one', () =>
    inFolder(async ({ path }) => {
      await mkdir(join(path, 'work/a'), { recursive: true });
      await symlink('a', join(path, 'work/link'));
      await symlink(path, join(path, 'other'));
      const real = await realpath(path);
      for (const [folder, found] of [
        ['work', 'work'],
        ['work/a', 'work/a'],
        ['work/link', 'work/a'],
        ['other/work', 'work'],
      ] as const) {
        expect(await resolveWorkspace(join(path, folder), [join(path, 'other/work')])).to.equal(join(real, found));
      }
    }));

  it('resolveWorkspace rejects folders that lie outside, by path or by link, or do not exist', () =>
    inFolder(async ({ path }) => {
      await mkdir(join(path, 'work'));
      await mkdir(join(path, 'workshop'));
      await symlink('/etc', join(path, 'work/etc'));
      const failure = async (folder: string, allowed: readonly string[] = [join(path, 'work')]) =>
        resolveWorkspace(join(path, folder), allowed).catch((error: unknown) => error);
      for (const folder of ['workshop', 'work/etc', '.'])
        expect(await failure(folder))
          .to.have.property('message')
          .that.matches(
            /^the folder ".*" is outside the folders that the operator allows; choose one inside pipelines.workspaces$/,
          );
      expect(await failure('none'))
        .to.have.property('message')
        .that.matches(/^the folder ".*none" does not exist on the gateway's machine$/);
      expect(await failure('work', [])).to.have.property('name', 'WorkFailed');
      expect(await failure('work', ['/no/such/folder'])).to.have.property('name', 'WorkFailed');
    }));
});
