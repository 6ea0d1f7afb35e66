// Measures a client that stops reading: memory of the gateway, and how long the process of the run takes.

import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunRecord } from '../../protocol/run-record.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { FrameCounter, openWebSocket, waitForClose } from './frame-counter.ts';
import { writeLines } from './lines-file.ts';
import { type BenchServer, readMemory, resetPeakMemory, startBenchGateway } from './servers.ts';

const rounds = 3;
const lineBytes = 80;
const lines = 6_250_000;
const requiredMb = 64;
/**
 * Up to this ratio of durations, with and without a stalled client, the process counts as not slowed. A shared machine
 * cannot measure smaller differences.
 */
const requiredRatio = 1.1;
const runMs = 45_000;
/** The client stops reading after this many bytes. */
const readBytes = 1 << 20;
const mb = 1e6;

interface Round {
  /** Peak memory above the idle gateway in MB, including the time after the client resumes reading. */
  readonly growth: number;
  /** Duration of the run. */
  readonly runMs: number;
  /** Number of text frames that the client received. */
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
    return toFigures(measured);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function toFigures(measured: readonly { readonly reading: Round; readonly stalled: Round }[]): Figure[] {
  const [stalled, reading] = [
    median(measured.map((pair) => pair.stalled.growth)),
    median(measured.map((pair) => pair.reading.growth)),
  ];
  const more = median(measured.map((pair) => pair.stalled.growth - pair.reading.growth));
  const slower = median(measured.map((pair) => pair.stalled.runMs / pair.reading.runMs));
  const fewest = Math.min(...measured.map((pair) => pair.stalled.frames));
  const size = `${rounded((lines * lineBytes) / mb)} MB`;
  return [
    {
      name: `peak memory over idle, client stops reading during ${size}`,
      value: `${rounded(stalled)} MB`,
      required: `< ${requiredMb} MB`,
      peer: `client that reads, ${rounded(reading)} MB`,
      samples: rounds,
      ok: stalled < requiredMb && more < requiredMb,
    },
    {
      name: 'time of the process whose client does not read',
      value: `${rounded(slower, 2)}x`,
      required: `<= ${requiredRatio}x`,
      peer: `client that reads, ${rounded(median(measured.map((pair) => pair.reading.runMs)))} ms`,
      samples: rounds,
      ok: slower <= requiredRatio,
    },
    {
      name: 'lines that client gets when it reads on',
      value: `${fewest} of ${lines}`,
      required: 'all',
      peer: 'none',
      samples: rounds,
      ok: fewest === lines,
    },
  ];
}

/** Starts a new gateway for each run, so that no memory of an earlier run counts. */
async function measure(file: string, stalls: boolean): Promise<Round> {
  const ours = await startBenchGateway(
    [
      `limits: { writeStallMs: 10m }\ncalls:\n  lines: { process: [cat, ${file}] }\n  few: { `,
      `process: [head, -n, "20000", ${file}] }\n`,
    ].join(''),
  );
  try {
    await run(ours, 'few', false);
    const idle = (await readMemory(ours.pid)).now;
    await resetPeakMemory(ours.pid);
    const { record, frames, peak } = await run(ours, 'lines', stalls);
    return { growth: (peak - idle) / mb, runMs: Date.parse(record.endedAt!) - Date.parse(record.startedAt!), frames };
  } finally {
    await ours.stop();
  }
}

/**
 * Returns the record of the run, and the frames and peak memory until the client has read everything. A stalled client
 * resumes only after the run has ended.
 */
async function run(
  ours: BenchServer,
  call: string,
  stalls: boolean,
): Promise<{ record: RunRecord; frames: number; peak: number }> {
  const socket = await openWebSocket(ours.port);
  const counter = new FrameCounter();
  counter.readFrom(socket);
  if (stalls) stallAfter(socket, readBytes);
  socket.write(encodeFrame('binary', JSON.stringify({ call })));
  socket.resume();
  try {
    const record = await waitForEndedRun(ours.port);
    if (stalls && counter.frames >= lines / 2) throw new Error('the client has read although it should not');
    const reading = waitForClose(socket, runMs);
    socket.resume();
    await reading;
    return { record, frames: counter.frames, peak: (await readMemory(ours.pid)).peak };
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

/** Waits until the newest run has ended, and returns it. */
async function waitForEndedRun(port: number): Promise<RunRecord> {
  let newest: RunRecord | undefined;
  await waitUntil(
    'the run ends',
    async () => {
      const answer = (await (
        await fetch(`http://127.0.0.1:${port}/api/v1/http/runs?limit=1`, { signal: AbortSignal.timeout(runMs) })
      ).json()) as { runs: RunRecord[] };
      newest = answer.runs[0];
      return newest?.state === 'ended';
    },
    runMs,
  );
  return newest!;
}
