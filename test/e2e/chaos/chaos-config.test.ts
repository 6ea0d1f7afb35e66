// Saves empty, incomplete and damaged versions of the configuration during runs of every kind. The gateway keeps what
// such a version lacks, and all runs end as on an undisturbed gateway.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { type ChaosGateway, describeChaos } from '../../helpers/chaos/describe-chaos.ts';
import { createRandomInteger } from '../../helpers/seeded-random.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const seed = 20_261_201;
const count = 100;
const random = createRandomInteger(seed);

/** Ways to save an empty, incomplete or damaged file. The test saves the complete text after each of them. */
const disturbances: readonly ((file: string, text: string) => Promise<void>)[] = [
  (file) => writeFile(file, ''),
  (file, text) => writeFile(file, text.slice(0, random(text.length))),
  (file, text) => writeFile(file, text.slice(0, text.lastIndexOf('\n', random(text.length)) + 1)),
  (file, text) => writeFile(file, `${text.slice(0, random(text.length))}\0`),
  async (file, text) => {
    await writeFile(`${file}.new`, text.slice(0, text.indexOf('calls:')));
    await rename(`${file}.new`, file);
  },
];

async function saveInHalves({ configFile, url, pid }: ChaosGateway, signal: AbortSignal): Promise<void> {
  const getJson = async (path: string): Promise<unknown> =>
    (await fetch(`${url}/api/v1/http/${path}`, { headers: { connection: 'close' } })).json();
  const lastReload = async () => ((await getJson('status')) as { lastReload?: { ok: boolean } }).lastReload;
  const callNames = async (): Promise<readonly string[]> =>
    ((await getJson('calls')) as readonly { name: string }[]).map(({ name }) => name);
  // With these limits, the gateway reads each version almost at once, but waits an hour before it removes what the
  // version lacks.
  const text = (await readFile(configFile, 'utf8')).replace(
    'limits: {',
    'limits: { configQuietMs: 10ms, configConfirmMs: 1h,',
  );
  await writeFile(configFile, text);
  process.kill(pid, 'SIGHUP');
  await waitUntil('the limits apply', async () => (await lastReload())?.ok === true);
  const calls = await callNames();
  for (let at = 0; !signal.aborted; at += 1) {
    await disturbances[at % disturbances.length]!(configFile, text);
    await delay(random(300));
    expect(await callNames(), `after disturbance ${at}`).to.deep.equal(calls);
    await writeFile(configFile, text);
    await delay(random(100));
  }
  await waitUntil('the last file is complete again', async () => (await lastReload())?.ok === true);
}

/** Matches the log lines that an incomplete or damaged configuration file explains. */
const explained = /the configuration file (?:may be incomplete|is not valid)|"msg":"\S+\/distillery\.yaml:/;

describeChaos(`C1: chaos: ${count} mixed runs while incomplete versions of the configuration are saved`, {
  count,
  seed,
  disturb: saveInHalves,
  unexplained: (log) =>
    log
      .split('\n')
      .filter((line) => !explained.test(line))
      .join('\n'),
});
