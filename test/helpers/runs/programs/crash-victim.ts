// Starts calls without a gateway in the given folder and prints their run ids. Continues until a test kills it.

import { codeCall, openTestRuns, processCall } from '../test-runs.ts';

/** A process with two generations of children that ignore SIGTERM. The last one is in its own session. */
const generations = `trap '' TERM
loop='while :; do sleep 1; done'
bash -c "trap '' TERM; setsid bash -c 'trap \\"\\" TERM; echo third; $loop' & echo second; $loop" &
echo first
while :; do sleep 1; done`;

const testRuns = openTestRuns(process.argv[2]!, [
  processCall('generations', ['bash', '-c', generations]),
  processCall('printing', ['sh', '-c', 'echo one; echo two; printf three; sleep 1000']),
  codeCall('deferring', async ({ defer }) => {
    defer('tidy', () => {});
    return new Promise(() => {});
  }),
]);
const runs = ['generations', 'printing', 'deferring'].map((name) => testRuns.start(name));
const written = setInterval(() => {
  if (runs[0]!.log.written.line < 3 || runs[1]!.log.written.line < 2) return;
  clearInterval(written);
  process.stdout.write(`${runs.map(({ id }) => id).join(' ')}\n`);
}, 5);
setInterval(() => {}, 1_000);
