// Stops or abandons runs while the disk of the data folder fills up and has space again. A run that fails or is
// rejected because of the full disk says so in its message; all others end as usual.

import { setTimeout as pause } from 'node:timers/promises';
import { checkSession } from '../../helpers/chaos/check-session.ts';
import { type ChaosGateway, describeChaos } from '../../helpers/chaos/describe-chaos.ts';
import { createRandom } from '../../helpers/seeded-random.ts';

const count = Number(process.env['CHAOS_RUNS'] ?? 150);
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_202);
const diskMib = 64;
const fullDisk = /no space left on the disk/;

describeChaos(`C7: chaos: ${count} mixed runs while the disk fills up and has space again`, {
  count,
  seed,
  diskMib,
  disturb: fillAndEmpty,
  checkResult: (session, records) => {
    const [record] = records;
    const message = record === undefined ? session.results[0]?.['message'] : record.message;
    if (!fullDisk.test(String(message))) return checkSession(session, records);
    const isRight =
      record === undefined
        ? session.results.length === 1
        : records.length === 1 && record.state === 'ended' && record.cleanup?.clean === true;
    return isRight ? [] : [`a full disk made a contradiction: ${JSON.stringify({ session, records })}`];
  },
  unexplained: (log) =>
    log
      .split('\n')
      .filter((line) => !/no space|ENOSPC|SQLITE_FULL|disk/i.test(line))
      .join('\n'),
});

async function fillAndEmpty({ disk }: ChaosGateway, signal: AbortSignal): Promise<void> {
  const random = createRandom(seed);
  while (!signal.aborted) {
    await disk!.fill(Math.floor(random() * 3) * 300_000);
    await pause(60 * random());
    await disk!.empty();
    // Leave space most of the time: a run that is rejected because of the full disk tests nothing else.
    await pause(300 + 600 * random());
  }
  await disk!.empty();
}
