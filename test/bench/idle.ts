// What a session costs that does nothing: thousands that watch one quiet run.

import { median, rounded, type Figure } from './figures.ts';
import { collectable, gateway, memory } from './parts.ts';
import { gather, leave, type CountingClient } from './watchers.ts';

const rounds = 3;
const sessions = 5000;
const atOnce = 250;
const requiredKb = 16;

export async function measureIdle(): Promise<readonly Figure[]> {
  const measured: number[] = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await measure());
  const each = median(measured);
  return [{
    what: `${sessions} idle sessions watching a quiet run: resident memory of each`, reached: `${rounded(each, 1)} KiB`, required: `<= ${requiredKb} KiB`, peer: 'none', n: rounds,
    ok: each <= requiredKb,
  }];
}

/** KiB of each. */
async function measure(): Promise<number> {
  const ours = await gateway('calls:\n  quiet: { process: [sleep, "600"], stop: { grace: 1s } }\n', collectable);
  const clients: CountingClient[] = [];
  const more = async (count: number): Promise<void> => {
    clients.push(...await gather(count, { port: ours.port, subprotocol: 'distillery.v2', message: { call: 'quiet', run: 'quiet' } }));
  };
  try {
    // What the first ones cost is code and buffers that all share.
    for (let i = 0; i < 4; i++) await more(atOnce);
    await ours.collect();
    const before = await memory(ours.pid);
    for (let i = 0; i < sessions / atOnce; i++) await more(atOnce);
    await ours.collect();
    return ((await memory(ours.pid)).now - before.now) / 1024 / sessions;
  } finally {
    await leave(clients);
    await ours.stop();
  }
}
