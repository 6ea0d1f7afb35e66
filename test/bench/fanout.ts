// One run and many who watch it: what a delivered frame costs, against ws.send for each; and what a thousand cost in memory.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../helpers/until.ts';
import { median, rounded, type Figure } from './figures.ts';
import { gated } from './gated.ts';
import { writeLines } from './lines-file.ts';
import { cpuMs, forgetPeak, gateway, memory, sendToEach, type Measured } from './parts.ts';
import { gather, leave, type CountingClient } from './watchers.ts';

const rounds = 3;
const watchers = 100;
const lineBytes = 80;
const lines = 100_000;
/** The peer's cost of a frame does not depend on how many there are, and it takes long. */
const peerLines = 5_000;
const requiredShare = 1 / 50;
const deliveryMs = 60_000;

const crowd = { watchers: 1000, stalled: 900, lines: 200_000, requiredMb: 128 } as const;
const mb = 1e6;

export async function measureFanout(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fanout-'));
  const files = { own: join(folder, 'lines'), peer: join(folder, 'fewer'), crowd: join(folder, 'crowd') };
  try {
    await writeLines(files.own, lines, lineBytes);
    await writeLines(files.peer, peerLines, lineBytes);
    await writeLines(files.crowd, crowd.lines, lineBytes);
    const measured: { readonly own: number; readonly peer: number }[] = [];
    for (let round = 0; round < rounds; round += 1) measured.push({ own: await costOfOwn(folder, files.own), peer: await costOfPeer(folder, files.peer) });
    return [tell(measured), ...await measureCrowd(folder, files.crowd)];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** CPU time of a delivered frame, in nanoseconds. */
function tell(measured: readonly { readonly own: number; readonly peer: number }[]): Figure {
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  const times = median(measured.map((pair) => pair.peer / pair.own));
  return {
    what: `${watchers} watchers of one run: ${rounded(own)} ns of CPU for each frame delivered`, reached: `1/${rounded(times)}`, required: `<= 1/${1 / requiredShare}`,
    peer: `ws.send to each, ${rounded(peer)} ns`, n: rounds, ok: 1 / times <= requiredShare,
  };
}

async function costOfOwn(folder: string, file: string): Promise<number> {
  const { argv, open } = gated(await mkdtemp(join(folder, 'own-')), [`exec cat ${file}`]);
  const ours = await gateway(`calls:\n  lines: { process: ${JSON.stringify(argv)} }\n`);
  return measureCost(ours, { open, lines, door: watching('fan', 'lines') }).finally(() => ours.stop());
}

async function costOfPeer(folder: string, file: string): Promise<number> {
  const { argv, open } = gated(await mkdtemp(join(folder, 'peer-')), [`exec cat ${file}`]);
  const theirs = await sendToEach(argv);
  return measureCost(theirs, { open, lines: peerLines, door: {} }).finally(() => theirs.stop());
}

interface Load {
  open(gate: number): Promise<void>;
  readonly lines: number;
  readonly door: object;
}

async function measureCost({ port, pid }: Measured, load: Load): Promise<number> {
  const clients = await gather(watchers, { port, ...load.door });
  try {
    const before = await cpuMs(pid);
    await load.open(1);
    await delivered(clients, load.lines);
    return (await cpuMs(pid) - before) * 1e6 / (watchers * load.lines);
  } finally {
    await leave(clients);
  }
}

/** One and the same run: whoever asks for it by its id first starts it, the others join. */
function watching(run: string, call: string): { readonly subprotocol: string; readonly message: object } {
  return { subprotocol: 'distillery.v2', message: { call, run } };
}

function delivered(clients: readonly CountingClient[], count: number): Promise<void> {
  return until(`${count} frames for each`, () => clients.every(({ counter }) => counter.frames >= count), deliveryMs);
}

/** Most stop reading, each at another place. Then they read on. */
async function measureCrowd(folder: string, file: string): Promise<readonly Figure[]> {
  const { argv, open } = gated(await mkdtemp(join(folder, 'crowd-')), [`cat ${file}`, 'true']);
  const ours = await gateway(`limits: { writeStallMs: 10m }\ncalls:\n  lines: { process: ${JSON.stringify(argv)} }\n`);
  let clients: readonly CountingClient[] = [];
  try {
    clients = await gather(crowd.watchers, { port: ours.port, ...watching('crowd', 'lines') });
    const idle = (await memory(ours.pid)).now;
    await forgetPeak(ours.pid);
    const stalled = clients.slice(0, crowd.stalled);
    stalled.forEach((client, i) => stallAt(client, i * crowd.lines / crowd.stalled));
    await open(1);
    await delivered(clients.slice(crowd.stalled), crowd.lines);
    for (const { socket } of stalled) socket.resume();
    await delivered(clients, crowd.lines);
    const growth = ((await memory(ours.pid)).peak - idle) / mb;
    return [{
      what: `${crowd.watchers} watchers, ${crowd.stalled} stop reading at different places of ${rounded(crowd.lines * lineBytes / mb)} MB and read on later: peak memory over idle`,
      reached: `${rounded(growth)} MB`, required: `< ${crowd.requiredMb} MB`, peer: 'none', n: 1, ok: growth < crowd.requiredMb,
    }];
  } finally {
    await leave(clients);
    await ours.stop();
  }
}

function stallAt({ socket, counter }: CountingClient, frames: number): void {
  counter.onFrames = () => {
    if (counter.frames < frames) return;
    counter.onFrames = undefined;
    socket.pause();
  };
}
