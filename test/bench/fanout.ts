// Measures a run with many watchers: CPU time per delivered frame, compared with a server that calls `ws.send` for each
// watcher, and the memory that a thousand watchers take.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '../helpers/wait-until.ts';
import { type CountingClient, connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { createGatedProcess } from './gated-process.ts';
import { writeLines } from './lines-file.ts';
import {
  type BenchServer,
  readCpuMs,
  readMemory,
  resetPeakMemory,
  startBenchGateway,
  startSendToEach,
} from './servers.ts';

const rounds = 3;
const watchers = 100;
const lineBytes = 80;
const lines = 100_000;
/** Fewer lines for the peer, because it is slow and its cost per frame does not depend on the number of lines. */
const peerLines = 5_000;
const requiredShare = 1 / 50;
const deliveryMs = 60_000;

const crowdSize = { watchers: 1000, stalled: 900, lines: 200_000, requiredMb: 128 } as const;
const mb = 1e6;

export async function measureFanout(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fanout-'));
  const files = { own: join(folder, 'lines'), peer: join(folder, 'fewer'), crowd: join(folder, 'crowd') };
  try {
    await writeLines(files.own, lines, lineBytes);
    await writeLines(files.peer, peerLines, lineBytes);
    await writeLines(files.crowd, crowdSize.lines, lineBytes);
    const measured: { readonly own: number; readonly peer: number }[] = [];
    for (let round = 0; round < rounds; round += 1)
      measured.push({ own: await costOfOwn(folder, files.own), peer: await costOfPeer(folder, files.peer) });
    return [toFigure(measured), ...(await measureCrowd(folder, files.crowd))];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Computes the figure from the CPU time per delivered frame, in nanoseconds. */
function toFigure(measured: readonly { readonly own: number; readonly peer: number }[]): Figure {
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  const times = median(measured.map((pair) => pair.peer / pair.own));
  return {
    name: `${watchers} watchers of one run: ${rounded(own)} ns of CPU for each frame delivered`,
    value: `1/${rounded(times)}`,
    required: `<= 1/${1 / requiredShare}`,
    peer: `ws.send to each, ${rounded(peer)} ns`,
    samples: rounds,
    ok: 1 / times <= requiredShare,
  };
}

async function costOfOwn(folder: string, file: string): Promise<number> {
  const { argv, openGate } = createGatedProcess(await mkdtemp(join(folder, 'own-')), [`exec cat ${file}`]);
  const ours = await startBenchGateway(`calls:\n  lines: { process: ${JSON.stringify(argv)} }\n`);
  return measureCost(ours, { openGate, lines, target: watcherTarget('fan', 'lines') }).finally(() => ours.stop());
}

async function costOfPeer(folder: string, file: string): Promise<number> {
  const { argv, openGate } = createGatedProcess(await mkdtemp(join(folder, 'peer-')), [`exec cat ${file}`]);
  const theirs = await startSendToEach(argv);
  return measureCost(theirs, { openGate, lines: peerLines, target: {} }).finally(() => theirs.stop());
}

interface Load {
  openGate(gate: number): Promise<void>;
  readonly lines: number;
  readonly target: object;
}

async function measureCost({ port, pid }: BenchServer, load: Load): Promise<number> {
  const clients = await connectClients(watchers, { port, ...load.target });
  try {
    const before = await readCpuMs(pid);
    await load.openGate(1);
    await waitForDelivery(clients, load.lines);
    return (((await readCpuMs(pid)) - before) * 1e6) / (watchers * load.lines);
  } finally {
    await disconnectClients(clients);
  }
}

/** All clients name the same run: the first one starts it, the others attach. */
function watcherTarget(run: string, call: string): { readonly subprotocol: string; readonly message: object } {
  return { subprotocol: 'distillery.v2', message: { call, run } };
}

function waitForDelivery(clients: readonly CountingClient[], count: number): Promise<void> {
  return waitUntil(
    `${count} frames for each`,
    () => clients.every(({ counter }) => counter.frames >= count),
    deliveryMs,
  );
}

/** Measures the peak memory while most watchers stop reading, each at a different line, and resume at the end. */
async function measureCrowd(folder: string, file: string): Promise<readonly Figure[]> {
  const { argv, openGate } = createGatedProcess(await mkdtemp(join(folder, 'crowd-')), [`cat ${file}`, 'true']);
  const ours = await startBenchGateway(
    `limits: { writeStallMs: 10m }\ncalls:\n  lines: { process: ${JSON.stringify(argv)} }\n`,
  );
  let clients: readonly CountingClient[] = [];
  try {
    clients = await connectClients(crowdSize.watchers, { port: ours.port, ...watcherTarget('crowd', 'lines') });
    const idle = (await readMemory(ours.pid)).now;
    await resetPeakMemory(ours.pid);
    const stalled = clients.slice(0, crowdSize.stalled);
    for (const [i, client] of stalled.entries()) stallAfterFrames(client, (i * crowdSize.lines) / crowdSize.stalled);
    await openGate(1);
    await waitForDelivery(clients.slice(crowdSize.stalled), crowdSize.lines);
    for (const { socket } of stalled) socket.resume();
    await waitForDelivery(clients, crowdSize.lines);
    const growth = ((await readMemory(ours.pid)).peak - idle) / mb;
    return [
      {
        name: [
          `${crowdSize.watchers} watchers, ${crowdSize.stalled} stop reading at different places of `,
          `${rounded((crowdSize.lines * lineBytes) / mb)} MB and read on later: peak memory over idle`,
        ].join(''),
        value: `${rounded(growth)} MB`,
        required: `< ${crowdSize.requiredMb} MB`,
        peer: 'none',
        samples: 1,
        ok: growth < crowdSize.requiredMb,
      },
    ];
  } finally {
    await disconnectClients(clients);
    await ours.stop();
  }
}

function stallAfterFrames({ socket, counter }: CountingClient, frames: number): void {
  counter.onFrames = () => {
    if (counter.frames < frames) return;
    counter.onFrames = undefined;
    socket.pause();
  };
}
