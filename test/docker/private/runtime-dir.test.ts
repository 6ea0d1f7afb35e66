// Tests the folder for the sockets of a private engine.

import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ensureRuntimeFolder, shortHash } from '../../../server/docker/private/runtime-dir.ts';

describe('the folder for the sockets of a private engine', () => {
  let long: string;
  let short: string;

  beforeEach(async () => {
    long = join(await mkdtemp(join(tmpdir(), 'runtime-')), 'x'.repeat(80));
    short = join(tmpdir(), `dk-${shortHash(long)}`);
  });
  afterEach(async () => {
    await rm(short, { recursive: true, force: true });
    await rm(join(long, '..'), { recursive: true });
  });

  const rejection = (): Promise<string> =>
    ensureRuntimeFolder(long).then(
      () => 'accepted',
      (error: Error) => error.message,
    );

  it('S2: a data folder with a long path always gets the same short folder, open only to its user', async () => {
    expect(await ensureRuntimeFolder(long)).to.equal(short);
    expect((await stat(short)).mode & 0o777).to.equal(0o700);
    expect(await ensureRuntimeFolder(long)).to.equal(short);
  });

  it('S2: a short folder that another user planted is not used', async () => {
    await mkdir(short);
    await chown(short, 65_534, 65_534);
    expect(await rejection()).to.contain(`${short} belongs to another user`);
  });

  it('S2: a short folder that other users can change is not used', async () => {
    await mkdir(short);
    await chmod(short, 0o777);
    expect(await rejection()).to.contain(`${short} is open to other users`);
  });

  it('S2: a link that was planted in place of the short folder is not used', async () => {
    await symlink(join(long, '..'), short);
    expect(await rejection()).to.contain(`${short} belongs to another user`);
  });
});
