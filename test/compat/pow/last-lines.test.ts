// Tests the buffer of the pow-1 REST API: the last lines of a run without those of services, within its limits.

import { expect } from 'chai';
import { lastLines } from '../../../server/compat/pow/last-lines.ts';
import type { RunLog } from '../../../server/runs/log/log.ts';
import { newLog, pick, type RandomInteger, seededRandom, withTempFolder } from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';

const limits = { powLinesMax: 1000, powBufferBytesMax: 1 << 20, powSearchLinesMax: 1e6 };

/** Prints lines of the run, of a job and of its service. Returns those that are not of the service. */
function print(log: RunLog, random: RandomInteger): readonly string[] {
  const shown: string[] = [];
  for (let i = 0; i < 200; i++) {
    const service = random(2) === 0 ? 'db' : undefined;
    const output = random(4) === 0 ? log : log.part('build', service);
    const lines = Array.from({ length: random(10) === 0 ? random(400) : 1 }, () => `${i} ${'é'.repeat(random(30))}`);
    output.write(pick(random, ['stdout', 'stderr']), Buffer.from(lines.map((line) => `${line}\n`).join('')));
    if (output === log || service === undefined) shown.push(...lines);
  }
  return shown;
}

/** Returns the last lines that the limits allow, but at least one. */
function newest(
  lines: readonly string[],
  { powLinesMax, powBufferBytesMax }: Omit<typeof limits, 'powSearchLinesMax'>,
): readonly string[] {
  let bytes = 0;
  const at = lines.findLastIndex((line, i) => {
    bytes += Buffer.byteLength(line) + 1;
    return i < lines.length - 1 && (i < lines.length - powLinesMax || bytes > powBufferBytesMax);
  });
  return lines.slice(at + 1);
}

describe('the buffer of the pow-1 REST API', () => {
  it('lines of services do not reduce the number of lines in the buffer', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const job = log.part('a');
      for (let i = 1; i <= 3; i++) {
        job.write('stdout', Buffer.from(`job ${i}\n`));
        log.part('a', 'db').write('stdout', Buffer.from('db\n'.repeat(5000)));
      }
      job.write('stdout', Buffer.from('unfinished'));
      expect(await lastLines(log, limits)).to.equal('job 1\njob 2\njob 3\nunfinished');
      expect(await lastLines(log, { ...limits, powLinesMax: 2 })).to.equal('job 3\nunfinished');
      await log.close();
      expect(await lastLines(log, limits)).to.equal('job 1\njob 2\njob 3\nunfinished');
    }));

  it('bytes of services do not reduce the size of the buffer', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.part('a').write('stdout', Buffer.from('job\n'));
      log.part('a', 'db').write('stdout', Buffer.from(`${'x'.repeat(500)}\n`.repeat(20)));
      await log.close();
      expect(await lastLines(log, { ...limits, powBufferBytesMax: 64 })).to.equal('job');
    }));

  it('no older lines are read once the buffer has the maximum number of lines', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.part('a', 'db').write('stdout', Buffer.from('db\n'.repeat(5000)));
      log.part('a').write('stdout', Buffer.from('1\n2\n'));
      await log.close();
      let reads = 0;
      const locateWithSource = log.locateWithSource.bind(log);
      log.locateWithSource = (...query) => {
        reads += 1;
        return locateWithSource(...query);
      };
      expect(await lastLines(log, { ...limits, powLinesMax: 2 })).to.equal('1\n2');
      // One call locates the end of the log, the other one the start of the last two lines.
      expect(reads).to.equal(2);
    }));

  it('lines before the newest powSearchLinesMax lines are not searched', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.part('a').write('stdout', Buffer.from('1\n2\n'));
      log.part('a', 'db').write('stdout', Buffer.from('db\n'.repeat(5000)));
      await log.close();
      expect(await lastLines(log, { ...limits, powSearchLinesMax: 5000 })).to.equal('');
      expect(await lastLines(log, { ...limits, powSearchLinesMax: 5001 })).to.equal('2');
      expect(await lastLines(log, { ...limits, powSearchLinesMax: 5002 })).to.equal('1\n2');
    }));

  it('the buffer has the last line, even if it is longer than the limit', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      log.write('stdout', Buffer.from(`short\n${'x'.repeat(500)}\n`));
      await log.close();
      expect(await lastLines(log, { ...limits, powBufferBytesMax: 64 })).to.equal('x'.repeat(500));
    }));

  for (const seed of seeds(6))
    it(`the buffer has the last lines that fit, with and without removed segments (seed ${seed})`, () =>
      withTempFolder(async (folder) => {
        const random = seededRandom(seed);
        const log = newLog(folder, 'lines', { segmentBytesMax: 20_000, tailBytesMax: 0 });
        const shown = print(log, random);
        await log.close();
        const expectBuffer = async (stored: readonly string[]): Promise<void> => {
          for (let i = 0; i < 20; i++) {
            const own = { powLinesMax: 1 + random(3000), powBufferBytesMax: 64 + random(100_000) };
            expect((await lastLines(log, { ...limits, ...own })).split('\n'), JSON.stringify(own)).to.deep.equal(
              newest(stored, own),
            );
          }
        };
        await expectBuffer(shown);
        await log.dropSegments((await log.segments()).at(-1)!.number);
        const rest = (await lastLines(log, { ...limits, powLinesMax: 1e6, powBufferBytesMax: 1e9 })).split('\n');
        expect(rest.length).to.be.within(1, shown.length - 1);
        expect(rest).to.deep.equal(shown.slice(-rest.length));
        await expectBuffer(rest);
      }));
});
