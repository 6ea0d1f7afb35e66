import { expect } from 'chai';
import type { RunRecord } from '../../protocol/record.ts';
import { inFolder, programOf } from './kit.ts';

interface FullDisk {
  readonly record: RunRecord;
  readonly known: RunRecord;
  readonly again: RunRecord;
  readonly quick: RunRecord;
  /** What the next caller read; there may still have been room for a small run. */
  readonly refused?: string;
  readonly size: number;
  readonly page: { readonly lines: number; readonly ended: boolean };
  readonly late: number;
  readonly lateLines: number;
  readonly samePrefix: boolean;
}

/** What must be true, wherever the end of the room is. */
function expectTruth({ record, known, size, page, late, lateLines, samePrefix, again, quick }: FullDisk, message: string): void {
  expect(record).to.deep.include({ state: 'ended', outcome: 'failed', message });
  expect(record.cleanup).to.deep.include({ clean: true, left: [] });
  expect(known).to.deep.equal(record);
  expect(record.bytes).to.equal(size);
  expect(page).to.deep.equal({ lines: record.lines, ended: true });
  expect(lateLines).to.equal(record.lines);
  expect(late).to.be.above(100);
  expect(samePrefix).to.equal(true);
  expect(again).to.deep.include({ outcome: 'succeeded', lines: 1 });
  // Its work had long succeeded when the last of its output was to be written.
  expect(quick).to.deep.include({ outcome: 'failed', message, exitCode: 0 });
}

describe('when there is no room', () => {
  it('on the disk, the run fails and says so, what was stored is told, and the gateway goes on', () => inFolder(async (folder) => {
    const inTmpfs = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', folder];
    const told = await programOf('full-disk', folder, inTmpfs) as FullDisk;
    expectTruth(told, 'the output could not be stored: no space left on the disk');
    expect(told.record.bytes).to.be.within(200_000, 1 << 20);
    expect(told.refused ?? 'no space left on the disk').to.match(/no space left on the disk$/);
  })).timeout(60_000);

  it('in the file, the same', () => inFolder(async (folder) => {
    const told = await programOf('full-disk', folder, ['prlimit', `--fsize=${1 << 20}`]) as FullDisk;
    expectTruth(told, 'the output could not be stored: the file would be larger than files may be here');
    expect(told.record.bytes).to.be.within((1 << 20) - (128 << 10), 1 << 20);
  })).timeout(60_000);

  it('in memory, watchers that have stopped reading cost none: 500 MB of output pass by', () => inFolder(async (folder) => {
    const told = await programOf('memory', folder) as { grownBytes: number; told: number; lines: number };
    expect(told.lines).to.be.above(6_000_000);
    expect(told.told).to.equal(told.lines * 82);
    expect(told.grownBytes).to.be.below(64 << 20);
  })).timeout(60_000);
});
