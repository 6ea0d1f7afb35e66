// Lines of one process to one client: the gateway, websocketd, and plain copying, interleaved.

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countFrames } from './frame-counter.ts';
import { gateway, plainCopy, websocketd, cpuMs } from './parts.ts';
import { median } from './figures.ts';

const lines = 2_000_000;
/** websocketd takes 17 s for 2 M lines; its rate is the same over fewer. */
const rounds = 5;

export interface LinesFigure {
  readonly bytes: number;
  readonly gateway: number;
  readonly websocketd: number;
  readonly copy: number;
  readonly cpuNsPerLine: number;
  readonly overWebsocketd: number;
  readonly shareOfCopy: number;
}

/** Rates are thousand lines a second, medians; the ratios are medians of the ratios of each round. */
export async function measureLines(bytes: number): Promise<LinesFigure> {
  const folder = await mkdtemp(join(tmpdir(), 'lines-'));
  const file = join(folder, 'lines');
  await writeFile(file, Buffer.from(`${'x'.repeat(bytes - 1)}\n`.repeat(lines)));
  const ours = await gateway(`calls:\n  lines: { process: [cat, ${file}] }\n`);
  const theirs = await websocketd(['cat', file]);
  const plain = await plainCopy(['cat', file]);
  try {
    const rates: { ours: number; theirs: number; plain: number; cpu: number }[] = [];
    for (let i = 0; i < rounds; i++) {
      const copied = await copy(plain.port);
      const cpuBefore = await cpuMs(ours.pid);
      const counted = await countFrames(ours.port, { call: { call: 'lines' } });
      const cpu = ((await cpuMs(ours.pid)) - cpuBefore) * 1e6 / lines;
      check(counted, bytes);
      const peer = i < 3 ? await countFrames(theirs.port, { path: '/' }) : undefined;
      if (peer !== undefined && peer.frames !== lines) throw new Error(`websocketd sent ${peer.frames} frames`);
      rates.push({ ours: lines / counted.ms, theirs: peer === undefined ? rates[0]!.theirs : lines / peer.ms, plain: lines / copied, cpu });
    }
    return {
      bytes, gateway: median(rates.map((r) => r.ours)), websocketd: median(rates.map((r) => r.theirs)), copy: median(rates.map((r) => r.plain)),
      cpuNsPerLine: median(rates.map((r) => r.cpu)),
      overWebsocketd: median(rates.map((r) => r.ours / r.theirs)), shareOfCopy: median(rates.map((r) => r.ours / r.plain)),
    };
  } finally {
    await Promise.all([ours.stop(), theirs.stop(), plain.stop()]);
    await rm(folder, { recursive: true });
  }
}

function check(counted: { frames: number; payloadBytes: number; binary: readonly string[] }, bytes: number): void {
  if (counted.frames !== lines || counted.payloadBytes !== lines * (bytes - 1)) throw new Error(`the gateway sent ${counted.frames} frames, ${counted.payloadBytes} bytes: ${counted.binary.join()}`);
  if (counted.binary.at(-1) !== '{"success":true}') throw new Error(`the gateway said ${counted.binary.join()}`);
}

/** Milliseconds for the whole file. */
async function copy(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  const started = performance.now();
  let last = started;
  socket.on('data', () => { last = performance.now(); });
  await once(socket, 'close');
  return last - started;
}
