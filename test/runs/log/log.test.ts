// Tests logs with random output and random watchers: each watcher receives every entry or an exact gap.

import { expect } from 'chai';
import type { LogFormat } from '../../../server/runs/log/storage/read-page.ts';
import { mergeTerminalChunks, RandomizedLog, withoutRepeats } from '../../helpers/runs/log-model.ts';
import { countOpenFiles, expectSameItems, seededRandom, withTempFolder } from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

describe('a log and its watchers', () => {
  for (const format of ['lines', 'raw'] as const) {
    it(`early, late and slow watchers receive the same entries, once and in order (${format})`, async function () {
      this.timeout(60_000);
      const filesBefore = countOpenFiles();
      await withTempFolder(async (folder) => {
        for (const seed of seeds(120)) {
          const randomizedLog = new RandomizedLog(folder, seededRandom(seed), { format, retention: false });
          await randomizedLog.run(60);
          for (const watcher of randomizedLog.watchers) {
            expectSameItems(
              withoutRepeats(mergeTerminalChunks([...watcher.skipped, ...watcher.sink.received], watcher.format)),
              randomizedLog.expected(watcher),
              `seed ${seed}`,
            );
            expect(watcher.ends, `seed ${seed}`).to.equal(1);
            expect(watcher.receivedAtEnd, `seed ${seed}`).to.equal(watcher.sink.received.length);
          }
        }
      });
      await waitUntil('no file is left open', () => countOpenFiles() <= filesBefore);
    });

    it(`watchers receive a gap for removed output, and everything else (${format})`, async function () {
      this.timeout(60_000);
      const filesBefore = countOpenFiles();
      let gaps = 0;
      await withTempFolder(async (folder) => {
        for (const seed of seeds(25)) {
          const randomizedLog = new RandomizedLog(folder, seededRandom(seed), { format, retention: true });
          await randomizedLog.run(60);
          for (const watcher of randomizedLog.watchers) {
            const received = [...watcher.skipped, ...watcher.sink.received];
            expectCompleteWithGaps(received, randomizedLog.expected(watcher), {
              unit: watcher.format,
              what: `seed ${seed}`,
            });
            gaps += received.filter((text) => text.startsWith('~')).length;
          }
        }
      });
      expect(gaps).to.be.above(10);
      await waitUntil('no file is left open', () => countOpenFiles() <= filesBefore);
    });
  }
});

/**
 * Checks that each line (or byte) is delivered at its position or is in a gap. Also checks that each event is delivered
 * once and in order.
 */
function expectCompleteWithGaps(
  received: readonly string[],
  expected: readonly string[],
  { unit, what }: { readonly unit: LogFormat; readonly what: string },
): void {
  const isText = (text: string): boolean => !text.startsWith('#') && !text.startsWith('~');
  const lines = expected.filter(isText);
  const bytes = Buffer.from(lines.join(''));
  let next = 0;
  let seq = 0;
  for (const text of received) {
    if (text.startsWith('~')) {
      const [from, to] = text.slice(1).split('-').map(Number);
      expect(from, what).to.equal(next + 1);
      next = to!;
    } else if (text.startsWith('#')) {
      expect(Number(text.split(' ')[1]), what).to.be.above(seq);
      seq = Number(text.split(' ')[1]);
    } else if (unit === 'lines') {
      expect(text, `${what}, line ${next}`).to.equal(lines[next++]);
    } else {
      expect(bytes.subarray(next, (next += Buffer.byteLength(text))).toString('utf8'), what).to.equal(text);
    }
  }
  expect(next, what).to.equal(unit === 'lines' ? lines.length : bytes.length);
}
