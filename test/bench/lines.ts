// Lines of one process to one client: the gateway, websocketd, and plain copying, interleaved.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, rounded, type Figure } from './figures.ts';
import { closed, countFrames } from './frame-counter.ts';
import { cpuMs, gateway, plainCopy, websocketd, type Measured } from './parts.ts';

const lines = 2_000_000;
const rounds = 5;
const copyMs = 60_000;
/** The peer takes a quarter of a minute for all lines, so it has its turn in these only. */
const peerRounds = 3;
/** Of other lengths, which are told for information, it gets fewer; its rate is the same. */
const fewerLines = 300_000;
const required = { overWebsocketd: 15, shareOfCopy: 0.3 } as const;

/** Rates in lines a second. */
interface Round {
  readonly ours: number;
  readonly copy: number;
  readonly cpuNs: number;
  readonly websocketd?: number;
}

export async function measureLines(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const bytes of [80, 20, 400]) {
    const counts = bytes === 80;
    const measured = await measure(bytes, counts ? lines : fewerLines);
    figures.push(...tell(bytes, measured, counts));
  }
  return figures;
}

/** Ratios are medians of the ratios of each round. */
function tell(bytes: number, measured: readonly Round[], counts: boolean): Figure[] {
  const withPeer = measured.filter(({ websocketd }) => websocketd !== undefined);
  const over = median(withPeer.map(({ ours, websocketd }) => ours / websocketd!));
  const share = median(measured.map(({ ours, copy }) => ours / copy));
  const rate = rounded(median(measured.map(({ ours }) => ours)) / 1e6, 2);
  const [peer, copy] = [median(withPeer.map(({ websocketd }) => websocketd!)), median(measured.map((round) => round.copy))];
  const cpu = rounded(median(measured.map(({ cpuNs }) => cpuNs)));
  return [
    {
      what: `lines of ${bytes} bytes: ${rate} M/s, ${cpu} ns of CPU each`, reached: `${rounded(over, 1)}x`, n: withPeer.length,
      peer: `websocketd, ${rounded(peer / 1e6, 2)} M/s`, ok: !counts || over >= required.overWebsocketd,
      ...(counts && { required: `>= ${required.overWebsocketd}x` }),
    },
    {
      what: `lines of ${bytes} bytes, share of plain copying`, reached: `${rounded(100 * share)} %`, n: measured.length,
      peer: `pipe to TCP in Node, ${rounded(copy / 1e6, 2)} M/s`, ok: !counts || share >= required.shareOfCopy,
      ...(counts && { required: `>= ${100 * required.shareOfCopy} %` }),
    },
  ];
}

async function measure(bytes: number, peerLines: number): Promise<readonly Round[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lines-'));
  const [file, fewer] = [join(folder, 'lines'), join(folder, 'fewer')];
  const line = `${'x'.repeat(bytes - 1)}\n`;
  await writeFile(file, Buffer.from(line.repeat(lines)));
  await writeFile(fewer, Buffer.from(line.repeat(peerLines)));
  const ours = await gateway(`calls:\n  lines: { process: [cat, ${file}] }\n`);
  const theirs = await websocketd(['cat', fewer]);
  const plain = await plainCopy(['cat', file]);
  try {
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const copy = await rateOfCopy(plain.port, lines * bytes);
      const own = await rateOfGateway(ours, bytes);
      measured.push({ copy, ...own, ...(round < peerRounds && { websocketd: await rateOfPeer(theirs.port, peerLines) }) });
    }
    return measured;
  } finally {
    await Promise.all([ours.stop(), theirs.stop(), plain.stop()]);
    await rm(folder, { recursive: true });
  }
}

async function rateOfGateway({ port, pid }: Measured, bytes: number): Promise<{ readonly ours: number; readonly cpuNs: number }> {
  const before = await cpuMs(pid);
  const { frames, payloadBytes, binary, ms } = await countFrames(port, { call: { call: 'lines' } });
  const cpuNs = ((await cpuMs(pid)) - before) * 1e6 / lines;
  if (frames !== lines || payloadBytes !== lines * (bytes - 1) || binary.at(-1) !== '{"success":true}') {
    throw new Error(`the gateway sent ${frames} frames of ${payloadBytes} bytes and said ${binary.join()}`);
  }
  return { ours: lines / ms * 1000, cpuNs };
}

async function rateOfPeer(port: number, expected: number): Promise<number> {
  const { frames, ms } = await countFrames(port, { path: '/' });
  if (frames !== expected) throw new Error(`websocketd sent ${frames} frames of ${expected}`);
  return frames / ms * 1000;
}

async function rateOfCopy(port: number, bytes: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  const started = performance.now();
  let [last, received] = [started, 0];
  socket.on('data', (chunk) => {
    last = performance.now();
    received += chunk.length;
  });
  await closed(socket, copyMs);
  if (received !== bytes) throw new Error(`plain copying sent ${received} bytes of ${bytes}`);
  return lines / (last - started) * 1000;
}
