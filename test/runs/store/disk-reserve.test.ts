// Tests the file that keeps space for the store.

import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { DiskReserve } from '../../../server/runs/store/disk-reserve.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';

describe('the reserve of the store', () => {
  it('S1: the reserve is created again after someone has removed it', () =>
    withTempFolder(async (folder) => {
      const file = join(folder, 'reserve');
      const reserve = new DiskReserve(folder);
      reserve.hold();
      expect(statSync(file).size).to.be.greaterThan(0);
      rmSync(file);
      reserve.hold();
      expect(existsSync(file)).to.equal(true);
      expect(reserve.release()).to.equal(true);
      expect(reserve.release()).to.equal(false);
    }));
});
