// Measures the memory of one idle session: thousands of clients watch a run without output.

import { type CountingClient, connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { gcOnSignalArgs, readMemory, startBenchGateway } from './servers.ts';

const rounds = 3;
const sessions = 5000;
const atOnce = 250;
const requiredKb = 16;

export async function measureIdle(): Promise<readonly Figure[]> {
  const measured: number[] = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await measure());
  const each = median(measured);
  return [
    {
      name: `${sessions} idle sessions watching a quiet run: resident memory of each`,
      value: `${rounded(each, 1)} KiB`,
      required: `<= ${requiredKb} KiB`,
      peer: 'none',
      samples: rounds,
      ok: each <= requiredKb,
    },
  ];
}

/** Returns the memory of one session, in KiB. */
async function measure(): Promise<number> {
  const ours = await startBenchGateway(
    'calls:\n  quiet: { process: [sleep, "600"], stop: { grace: 1s } }\n',
    gcOnSignalArgs,
  );
  const clients: CountingClient[] = [];
  const more = async (count: number): Promise<void> => {
    clients.push(
      ...(await connectClients(count, {
        port: ours.port,
        subprotocol: 'distillery.v2',
        message: { call: 'quiet', run: 'quiet' },
      })),
    );
  };
  try {
    // The first clients are not measured, because their memory includes code and buffers that all clients share.
    for (let i = 0; i < 4; i++) await more(atOnce);
    await ours.collectGarbage();
    const before = await readMemory(ours.pid);
    for (let i = 0; i < sessions / atOnce; i++) await more(atOnce);
    await ours.collectGarbage();
    return ((await readMemory(ours.pid)).now - before.now) / 1024 / sessions;
  } finally {
    await disconnectClients(clients);
    await ours.stop();
  }
}
