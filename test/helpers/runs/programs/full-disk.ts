// Runs a call that prints more than the disk can hold, with an early and a late watcher. Then frees space by removing
// `ballast` and prints the results as JSON.

import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Watcher } from '../../../../server/runs/views/watcher.ts';
import { deferred } from '../../../../server/support/deferred.ts';
import { waitUntil } from '../../wait-until.ts';
import { RecordingSink } from '../test-log.ts';
import { codeCall, openTestRuns, processCall } from '../test-runs.ts';

const folder = process.argv[2]!;
const ballast = join(folder, 'ballast');
writeFileSync(ballast, Buffer.alloc(200_000));
const lines = [
  'i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; echo no >&2; yes "$(printf ',
  '"%0999d" 0)" | head -c 50000000; sleep 1000',
].join('');
const testRuns = openTestRuns(folder, [
  processCall('much', ['sh', '-c', lines]),
  processCall('short', ['echo', 'hello']),
  codeCall('quick', async ({ output }) => {
    output.write('stdout', Buffer.from('quick\n'.repeat(400_000)));
    return { exitCode: 0 };
  }),
]);
const run = testRuns.start('much');

async function watchToEnd(): Promise<string[]> {
  const sink = new RecordingSink();
  const ended = deferred<void>();
  new Watcher(run.log, sink, { format: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
  await ended.promise;
  return sink.received;
}

const early = watchToEnd();
const record = await run.ended;
const [fromStart, late] = [await early, await watchToEnd()];
const page = await testRuns.runs.lines(run.id, { after: 0, limit: 1_000_000, bytesMax: 1 << 30 });
const size = statSync(join(folder, 'runs', run.id, 'lines')).size;
const known = testRuns.runs.get(run.id);
const refused = await startRejected();
rmSync(ballast);
rmSync(join(folder, 'runs', run.id, 'lines'));
await waitUntil('the record is stored', () => testRuns.store.get(run.id)?.state === 'ended');
const again = await testRuns.start('short').ended;
const quick = await testRuns.start('quick').ended;
await testRuns.close();
process.stdout.write(
  JSON.stringify({
    record,
    known,
    size,
    refused,
    again,
    quick,
    page: { lines: page.lines.length, ended: page.ended },
    late: late.length,
    lateLines: late.filter((text) => !text.startsWith('#')).length,
    samePrefix: late.every((text, i) => text === fromStart[i]),
  }),
);

/** Starts a run while the disk is full. Returns the message that its caller receives. */
async function startRejected(): Promise<string | undefined> {
  try {
    return (await testRuns.start('short').ended).message;
  } catch (error) {
    return (error as Error).message;
  }
}
