// A gateway's heart that is to be killed: starts what it is asked to in the folder given, says the ids, and goes on for ever.

import { code, openHeart, program } from '../heart.ts';

/** Three generations; the last in a session of its own, and none listens to SIGTERM. */
const generations = `trap '' TERM
bash -c "trap '' TERM; setsid bash -c 'trap \\"\\" TERM; echo third; while :; do sleep 1; done' & echo second; while :; do sleep 1; done" &
echo first
while :; do sleep 1; done`;

const heart = openHeart(process.argv[2]!, [
  program('generations', ['bash', '-c', generations]),
  program('printing', ['sh', '-c', 'echo one; echo two; printf three; sleep 1000']),
  code('deferring', async ({ defer }) => {
    defer('tidy', () => {});
    return new Promise(() => {});
  }),
]);
const runs = ['generations', 'printing', 'deferring'].map((name) => heart.start(name));
const written = setInterval(() => {
  if (runs[0]!.log.written.line < 3 || runs[1]!.log.written.line < 2) return;
  clearInterval(written);
  process.stdout.write(`${runs.map(({ id }) => id).join(' ')}\n`);
}, 5);
setInterval(() => {}, 1_000);
