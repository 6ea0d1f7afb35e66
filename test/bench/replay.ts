// A late watcher of a run: how fast it gets what is stored, against how fast it came.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../helpers/until.ts';
import { median, rounded, type Figure } from './figures.ts';
import { gated } from './gated.ts';
import { touchMemory, writeLines } from './lines-file.ts';
import { gateway } from './parts.ts';
import { gather, leave } from './watchers.ts';

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
    return [{
      what: `${lines} stored lines to a late watcher: ${rounded(median(measured.map(({ late }) => late)) / 1e6, 2)} M/s`, reached: `${rounded(ratio, 2)}x`, required: '>= 1x',
      peer: `the same run live, ${rounded(median(measured.map(({ live }) => live)) / 1e6, 2)} M/s`, n: rounds, ok: ratio >= 1,
    }];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Lines a second, live and late, of one run. */
async function measure(folder: string, file: string): Promise<{ readonly live: number; readonly late: number }> {
  const { argv, open } = gated(await mkdtemp(join(folder, 'run-')), [`cat ${file}`, 'true']);
  const ours = await gateway(`calls:\n  lines: { process: ${JSON.stringify(argv)} }\n  warm: { process: [cat, ${file}] }\n`);
  try {
    // Servers run for long; what is measured is not their first second.
    await rate(ours.port, { call: 'warm', run: 'warm' });
    touchMemory(2 * lines * lineBytes);
    const first = { call: 'lines', run: 'replayed' };
    const [early] = await gather(1, { port: ours.port, subprotocol: 'distillery.v2', message: first });
    const started = performance.now();
    await open(1);
    await until('all lines have come', () => early!.counter.frames >= lines, deliveryMs);
    const live = lines / (early!.counter.lastAt - started) * 1000;
    const late = await rate(ours.port, first);
    await leave([early!]);
    return { live, late };
  } finally {
    await ours.stop();
  }
}

/** Lines a second, from the first frame. */
async function rate(port: number, message: object): Promise<number> {
  const [client] = await gather(1, { port, subprotocol: 'distillery.v2', message });
  try {
    await until('all lines have come', () => client!.counter.frames >= lines, deliveryMs);
    return lines / (client!.counter.lastAt - client!.firstAt) * 1000;
  } finally {
    await leave([client!]);
  }
}
