// Measures how fast a late watcher receives stored lines, compared with the live rate of the same run.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { createGatedProcess } from './gated-process.ts';
import { touchMemory, writeLines } from './lines-file.ts';
import { startBenchGateway } from './servers.ts';

const rounds = 5;
const lines = 2_000_000;
const lineBytes = 80;
const deliveryMs = 60_000;

export async function measureReplay(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'replay-'));
  const file = join(folder, 'lines');
  try {
    await writeLines(file, lines, lineBytes);
    const measured: { readonly live: number; readonly late: number }[] = [];
    for (let round = 0; round < rounds; round += 1) measured.push(await measure(folder, file));
    const ratio = median(measured.map(({ live, late }) => late / live));
    return [
      {
        name: [
          `${lines} stored lines to a late watcher: `,
          `${rounded(median(measured.map(({ late }) => late)) / 1e6, 2)} M/s`,
        ].join(''),
        value: `${rounded(ratio, 2)}x`,
        required: '>= 1x',
        peer: `the same run live, ${rounded(median(measured.map(({ live }) => live)) / 1e6, 2)} M/s`,
        samples: rounds,
        ok: ratio >= 1,
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Returns the lines per second of one run, for a live and for a late watcher. */
async function measure(folder: string, file: string): Promise<{ readonly live: number; readonly late: number }> {
  const { argv, openGate } = createGatedProcess(await mkdtemp(join(folder, 'run-')), [`cat ${file}`, 'true']);
  const ours = await startBenchGateway(
    `calls:\n  lines: { process: ${JSON.stringify(argv)} }\n  warm: { process: [cat, ${file}] }\n`,
  );
  try {
    // Measure only after another run: servers run for a long time, so the first second is not representative.
    await rate(ours.port, { call: 'warm', run: 'warm' });
    touchMemory(2 * lines * lineBytes);
    const first = { call: 'lines', run: 'replayed' };
    const [early] = await connectClients(1, { port: ours.port, subprotocol: 'distillery.v2', message: first });
    const started = performance.now();
    await openGate(1);
    await waitUntil('all lines have arrived', () => early!.counter.frames >= lines, deliveryMs);
    const live = (lines / (early!.counter.lastAt - started)) * 1000;
    const late = await rate(ours.port, first);
    await disconnectClients([early!]);
    return { live, late };
  } finally {
    await ours.stop();
  }
}

/** Connects a client and returns its lines per second, counted from its first frame. */
async function rate(port: number, message: object): Promise<number> {
  const [client] = await connectClients(1, { port, subprotocol: 'distillery.v2', message });
  try {
    await waitUntil('all lines have arrived', () => client!.counter.frames >= lines, deliveryMs);
    return (lines / (client!.counter.lastAt - client!.firstAt)) * 1000;
  } finally {
    await disconnectClients([client!]);
  }
}
