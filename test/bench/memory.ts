// What a client that stops reading costs: memory of the gateway, and time of the process whose output nobody takes.

import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunRecord } from '../../protocol/record.ts';
import { until } from '../helpers/until.ts';
import { median, rounded, type Figure } from './figures.ts';
import { clientFrame, closed, FrameCounter, open } from './frame-counter.ts';
import { writeLines } from './lines-file.ts';
import { forgetPeak, gateway, memory, type Measured } from './parts.ts';

const rounds = 3;
const lineBytes = 80;
const lines = 6_250_000;
const requiredMb = 64;
/** "Not slowed", as far as that can be told on a machine with other things to do. */
const requiredRatio = 1.1;
const runMs = 45_000;
/** The stalling client has read this much when it stops. */
const readBytes = 1 << 20;
const mb = 1e6;

interface Round {
  /** Peak over what the gateway had when idle, in MB; the client's reading on is part of it. */
  readonly growth: number;
  /** Of the run, from its start to its end. */
  readonly runMs: number;
  /** Text frames that the client got in the end. */
  readonly frames: number;
}

export async function measureMemory(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'memory-'));
  const file = join(folder, 'lines');
  try {
    await writeLines(file, lines, lineBytes);
    const measured: { readonly reading: Round; readonly stalled: Round }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      measured.push({ reading: await measure(file, false), stalled: await measure(file, true) });
    }
    return tell(measured);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function tell(measured: readonly { readonly reading: Round; readonly stalled: Round }[]): Figure[] {
  const [stalled, reading] = [median(measured.map((pair) => pair.stalled.growth)), median(measured.map((pair) => pair.reading.growth))];
  const more = median(measured.map((pair) => pair.stalled.growth - pair.reading.growth));
  const slower = median(measured.map((pair) => pair.stalled.runMs / pair.reading.runMs));
  const fewest = Math.min(...measured.map((pair) => pair.stalled.frames));
  const size = `${rounded(lines * lineBytes / mb)} MB`;
  return [
    {
      what: `peak memory over idle, client stops reading during ${size}`, reached: `${rounded(stalled)} MB`, required: `< ${requiredMb} MB`,
      peer: `client that reads, ${rounded(reading)} MB`, n: rounds, ok: stalled < requiredMb && more < requiredMb,
    },
    {
      what: 'time of the process whose client does not read', reached: `${rounded(slower, 2)}x`, required: `<= ${requiredRatio}x`,
      peer: `client that reads, ${rounded(median(measured.map((pair) => pair.reading.runMs)))} ms`, n: rounds, ok: slower <= requiredRatio,
    },
    {
      what: 'lines that client gets when it reads on', reached: `${fewest} of ${lines}`, required: 'all', peer: 'none', n: rounds, ok: fewest === lines,
    },
  ];
}

/** One run in a gateway of its own, so that nothing is left of the run before. */
async function measure(file: string, stalls: boolean): Promise<Round> {
  const ours = await gateway(`limits: { writeStallMs: 10m }\ncalls:\n  lines: { process: [cat, ${file}] }\n  few: { process: [head, -n, "20000", ${file}] }\n`);
  try {
    await run(ours, 'few', false);
    const idle = (await memory(ours.pid)).now;
    await forgetPeak(ours.pid);
    const { record, frames, peak } = await run(ours, 'lines', stalls);
    return { growth: (peak - idle) / mb, runMs: Date.parse(record.endedAt!) - Date.parse(record.startedAt!), frames };
  } finally {
    await ours.stop();
  }
}

/** The run goes to its end before the stalled client reads on. `peak` is that of all of it. */
async function run(ours: Measured, call: string, stalls: boolean): Promise<{ record: RunRecord; frames: number; peak: number }> {
  const socket = await open(ours.port);
  const counter = new FrameCounter();
  counter.readFrom(socket);
  if (stalls) stallAfter(socket, readBytes);
  socket.write(clientFrame(2, JSON.stringify({ call })));
  socket.resume();
  try {
    const record = await ended(ours.port);
    if (stalls && counter.frames >= lines / 2) throw new Error('the client has read although it should not');
    const reading = closed(socket, runMs);
    socket.resume();
    await reading;
    return { record, frames: counter.frames, peak: (await memory(ours.pid)).peak };
  } finally {
    socket.destroy();
  }
}

function stallAfter(socket: Socket, bytes: number): void {
  const onData = (): void => {
    if (socket.bytesRead < bytes) return;
    socket.off('data', onData);
    socket.pause();
  };
  socket.on('data', onData);
}

/** The newest run, when it is over. */
async function ended(port: number): Promise<RunRecord> {
  let newest: RunRecord | undefined;
  await until('the run ends', async () => {
    const answer = (await (await fetch(`http://127.0.0.1:${port}/api/v1/http/runs?limit=1`, { signal: AbortSignal.timeout(runMs) })).json()) as { runs: RunRecord[] };
    newest = answer.runs[0];
    return newest?.state === 'ended';
  }, runMs);
  return newest!;
}
