// Measures how fast lines get from one process to one client, through the gateway, websocketd and plain copying in
// turn.

import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figure, median, rounded } from './figures/figure.ts';
import { connectWithReusedBuffer, countFrames, countFramesByEvents, waitForClose } from './frame-counter.ts';
import { touchMemory, writeLines } from './lines-file.ts';
import { type BenchServer, readCpuMs, startBenchGateway, startPlainCopy, startWebsocketd } from './servers.ts';

type Reading = 'in place' | 'by events';

const rounds = 5;
const copyMs = 60_000;
/** Number of rounds that also measure the slow peer. */
const peerRounds = 3;
const required = { overWebsocketd: 30, shareOfCopy: 0.5 } as const;

interface Load {
  /** Bytes per line, including the line break. */
  readonly bytes: number;
  readonly lines: number;
  /** Fewer lines for the peer, because it is slow and its rate does not depend on the number of lines. */
  readonly peerLines: number;
  /** False if the figure is for information only. */
  readonly counts: boolean;
}

const loads: readonly Load[] = [
  { bytes: 80, lines: 2_000_000, peerLines: 2_000_000, counts: true },
  { bytes: 20, lines: 2_000_000, peerLines: 300_000, counts: false },
  { bytes: 400, lines: 500_000, peerLines: 100_000, counts: false },
];

/** Rates in lines per second, for both ways of reading. */
interface Round {
  /** The client reads into a reused buffer. */
  readonly ours: number;
  readonly copy: number;
  /** The client reads with 'data' events, as most programs do. */
  readonly oursByEvents: number;
  readonly copyByEvents: number;
  readonly cpuNs: number;
  readonly websocketd?: number;
}

export async function measureLines(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const load of loads) figures.push(...toFigures(load, await measure(load)));
  return figures;
}

/** Computes each ratio as the median of the ratios of the rounds. */
function toFigures({ bytes, counts }: Load, measured: readonly Round[]): Figure[] {
  const withPeer = measured.filter(({ websocketd }) => websocketd !== undefined);
  const over = median(withPeer.map(({ ours, websocketd }) => ours / websocketd!));
  const share = median(measured.map(({ oursByEvents, copyByEvents }) => oursByEvents / copyByEvents));
  const shareInPlace = median(measured.map((round) => round.ours / round.copy));
  const rate = rounded(median(measured.map(({ ours }) => ours)) / 1e6, 2);
  const [peer, copy] = [
    median(withPeer.map(({ websocketd }) => websocketd!)),
    median(measured.map((round) => round.copyByEvents)),
  ];
  const cpu = rounded(median(measured.map(({ cpuNs }) => cpuNs)));
  return [
    {
      name: `lines of ${bytes} bytes: ${rate} M/s, ${cpu} ns of CPU each`,
      value: `${rounded(over, 1)}x`,
      samples: withPeer.length,
      peer: `websocketd, ${rounded(peer / 1e6, 2)} M/s`,
      ok: !counts || over >= required.overWebsocketd,
      ...(counts && { required: `>= ${required.overWebsocketd}x` }),
    },
    {
      name: `lines of ${bytes} bytes, share of plain copying; both read by events`,
      value: `${rounded(100 * share)} %`,
      samples: measured.length,
      peer: `pipe to TCP in Node, ${rounded(copy / 1e6, 2)} M/s`,
      ok: !counts || share >= required.shareOfCopy,
      ...(counts && { required: `>= ${100 * required.shareOfCopy} %` }),
    },
    {
      name: `lines of ${bytes} bytes, share of plain copying; both read in place`,
      value: `${rounded(100 * shareInPlace)} %`,
      samples: measured.length,
      peer: `pipe to TCP in Node, ${rounded(median(measured.map((round) => round.copy)) / 1e6, 2)} M/s`,
      ok: true,
    },
  ];
}

async function measure(load: Load): Promise<readonly Round[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lines-'));
  const [file, fewer] = [join(folder, 'lines'), join(folder, 'fewer')];
  await writeLines(file, load.lines, load.bytes);
  await writeLines(fewer, load.peerLines, load.bytes);
  const ours = await startBenchGateway(`calls:\n  lines: { process: [cat, ${file}] }\n`);
  const theirs = await startWebsocketd(['cat', fewer]);
  const plain = await startPlainCopy(['cat', file]);
  try {
    // Measure only after one run of each: servers run for a long time, so the first second is not representative.
    await rateOfCopy(plain.port, load, 'in place');
    await rateOfGateway(ours, load, 'in place');
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const copyByEvents = await rateOfCopy(plain.port, load, 'by events');
      const { ours: oursByEvents } = await rateOfGateway(ours, load, 'by events');
      const copy = await rateOfCopy(plain.port, load, 'in place');
      const own = await rateOfGateway(ours, load, 'in place');
      measured.push({
        copy,
        copyByEvents,
        oursByEvents,
        ...own,
        ...(round < peerRounds && { websocketd: await rateOfPeer(theirs.port, load) }),
      });
    }
    return measured;
  } finally {
    await Promise.all([ours.stop(), theirs.stop(), plain.stop()]);
    await rm(folder, { recursive: true });
  }
}

async function rateOfGateway(
  { port, pid }: BenchServer,
  { lines, bytes }: Load,
  reading: Reading,
): Promise<{ readonly ours: number; readonly cpuNs: number }> {
  touchMemory(2 * lines * bytes);
  const before = await readCpuMs(pid);
  const { frames, payloadBytes, binary, ms } = await (reading === 'in place' ? countFrames : countFramesByEvents)(
    port,
    {
      call: { call: 'lines' },
    },
  );
  const cpuNs = (((await readCpuMs(pid)) - before) * 1e6) / lines;
  if (frames !== lines || payloadBytes !== lines * (bytes - 1) || binary.at(-1) !== '{"success":true}') {
    throw new Error(`the gateway sent ${frames} frames of ${payloadBytes} bytes and said ${binary.join()}`);
  }
  return { ours: (lines / ms) * 1000, cpuNs };
}

async function rateOfPeer(port: number, { peerLines }: Load): Promise<number> {
  const { frames, ms } = await countFrames(port, { path: '/' });
  if (frames !== peerLines) throw new Error(`websocketd sent ${frames} frames of ${peerLines}`);
  return (frames / ms) * 1000;
}

async function rateOfCopy(port: number, { lines, bytes }: Load, reading: Reading): Promise<number> {
  let [last, received] = [0, 0];
  const take = (chunk: Buffer): number => {
    last = performance.now();
    received += chunk.length;
    return chunk.length;
  };
  const socket =
    reading === 'in place' ? connectWithReusedBuffer(port, take) : connect(port, '127.0.0.1').on('data', take);
  const started = performance.now();
  await waitForClose(socket, copyMs);
  if (received !== lines * bytes) throw new Error(`plain copying sent ${received} bytes of ${lines * bytes}`);
  return (lines / (last - started)) * 1000;
}
