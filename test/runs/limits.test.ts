// Tests runs at the limits of the machine: a full disk, the maximum file size, and limited memory.

import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { runProgram, withTempFolder } from '../helpers/runs/test-log.ts';

interface FullDisk {
  readonly record: RunRecord;
  readonly known: RunRecord;
  readonly again: RunRecord;
  readonly quick: RunRecord;
  /** Why the next run was rejected. Absent: there was still space for a small run. */
  readonly refused?: string;
  readonly size: number;
  readonly page: { readonly lines: number; readonly ended: boolean };
  readonly late: number;
  readonly lateLines: number;
  readonly samePrefix: boolean;
}

/** Checks the run that failed at the limit: its record, its page of lines, a late watcher, and the runs after it. */
function expectTruth(
  { record, known, size, page, late, lateLines, samePrefix, again, quick }: FullDisk,
  message: string,
): void {
  expect(record).to.deep.include({ state: 'ended', outcome: 'failed', message });
  expect(record.cleanup).to.deep.include({ clean: true, left: [] });
  expect(known).to.deep.equal(record);
  expect(record.bytes).to.equal(size);
  expect(page).to.deep.equal({ lines: record.lines, ended: true });
  expect(lateLines).to.equal(record.lines);
  expect(late).to.be.above(100);
  expect(samePrefix).to.equal(true);
  expect(again).to.deep.include({ outcome: 'succeeded', lines: 1 });
  // The work of this run had already succeeded when its last output could not be written.
  expect(quick).to.deep.include({ outcome: 'failed', message, exitCode: 0 });
}

describe('a run without disk space', () => {
  it('a run fails with the reason if the disk is full, and clients receive its stored output', () =>
    withTempFolder(async (folder) => {
      const inTmpfs = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', folder];
      const result = (await runProgram('full-disk', folder, inTmpfs)) as FullDisk;
      expectTruth(result, 'the output could not be stored: no space left on the disk');
      expect(result.record.bytes).to.be.within(200_000, 1 << 20);
      expect(result.refused ?? 'no space left on the disk').to.match(/no space left on the disk$/);
    })).timeout(60_000);

  it('a run fails with the reason if its log file reaches the maximum file size', () =>
    withTempFolder(async (folder) => {
      const result = (await runProgram('full-disk', folder, ['prlimit', `--fsize=${1 << 20}`])) as FullDisk;
      expectTruth(result, 'the output could not be stored: the file would exceed the maximum file size');
      expect(result.record.bytes).to.be.within((1 << 20) - (128 << 10), 1 << 20);
    })).timeout(60_000);

  it('stalled watchers need little memory while a run writes 500 MB of output', () =>
    withTempFolder(async (folder) => {
      const result = (await runProgram('log-memory', folder)) as {
        grownBytes: number;
        readBytes: number;
        lines: number;
      };
      expect(result.lines).to.be.above(6_000_000);
      expect(result.readBytes).to.equal(result.lines * 82);
      expect(result.grownBytes).to.be.below(64 << 20);
    })).timeout(60_000);

  it('the store inserts no row of a batch on a full disk, and inserts later rows when there is space again', () =>
    withTempFolder(async (folder) => {
      const received = (await runProgram('full-store', folder, [
        'unshare',
        '-m',
        'sh',
        '-c',
        'mount -t tmpfs -o size=256k none "$0" && exec "$@"',
        folder,
      ])) as { refused: readonly string[]; known: number; later: string };
      expect(received.refused).to.have.lengthOf.above(0);
      for (const code of received.refused) expect(code).to.equal('SQLITE_FULL');
      expect(received.known).to.equal(0);
      expect(received.later).to.equal('later');
    }));
});
