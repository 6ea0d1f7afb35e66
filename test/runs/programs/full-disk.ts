// Runs a call that prints far more than there is room for, in the folder given, with a watcher from the start and one that comes late.
// Then makes room by removing `ballast`, and prints what became of it all as JSON.

import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Watcher } from '../../../server/runs/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { code, openHeart, program } from '../heart.ts';
import { Notebook } from '../kit.ts';
import { until } from '../../helpers/until.ts';

const folder = process.argv[2]!;
const ballast = join(folder, 'ballast');
writeFileSync(ballast, Buffer.alloc(200_000));
const lines = 'i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; echo no >&2; yes "$(printf "%0999d" 0)" | head -c 50000000; sleep 1000';
const heart = openHeart(folder, [
  program('much', ['sh', '-c', lines]),
  program('short', ['echo', 'hello']),
  code('quick', async ({ output }) => {
    output.write('stdout', Buffer.from('quick\n'.repeat(400_000)));
    return { exitCode: 0 };
  }),
]);
const run = heart.start('much');

async function watched(): Promise<string[]> {
  const notebook = new Notebook();
  const ended = deferred<void>();
  new Watcher(run.log, notebook, { shape: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return notebook.told;
}

const early = watched();
const record = await run.ended;
const [fromStart, late] = [await early, await watched()];
const page = await heart.runs.lines(run.id, { after: 0, limit: 1_000_000, bytesMax: 1 << 30 });
const size = statSync(join(folder, 'runs', run.id, 'lines')).size;
const known = heart.runs.get(run.id);
const refused = await refusal();
rmSync(ballast);
rmSync(join(folder, 'runs', run.id, 'lines'));
await until('the record is stored', () => heart.store.get(run.id)?.state === 'ended');
const again = await heart.start('short').ended;
const quick = await heart.start('quick').ended;
await heart.close();
process.stdout.write(JSON.stringify({
  record, known, size, refused, again, quick, page: { lines: page.lines.length, ended: page.ended },
  late: late.length, lateLines: late.filter((text) => !text.startsWith('#')).length, samePrefix: late.every((text, i) => text === fromStart[i]),
}));

/** What the next caller reads while there is no room. */
async function refusal(): Promise<string | undefined> {
  try {
    return (await heart.start('short').ended).message;
  } catch (error) {
    return (error as Error).message;
  }
}
