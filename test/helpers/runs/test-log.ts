// Helpers for tests of runs and logs: seeded random data, folders, a blocked disk, and sinks that record.

import { execFile } from 'node:child_process';
import fs, { constants } from 'node:fs';
import * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import koffi from 'koffi';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { GapReason } from '../../../protocol/messages.ts';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import type { LogLimits } from '../../../server/runs/log/log.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import type { LogFormat } from '../../../server/runs/log/storage/read-page.ts';
import { encodeOnce, type LogSink } from '../../../server/runs/views/watcher.ts';
import { encodeTextFrames } from '../../../server/session/frames/websocket-frames.ts';
import { createRandomInteger } from '../seeded-random.ts';
import { waitUntil } from '../wait-until.ts';

/** Runs `work` in a temporary folder and removes the folder. */
export async function withTempFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await files.mkdtemp(join(tmpdir(), 'runs-'));
  try {
    return await work(folder);
  } finally {
    await files.rm(folder, { recursive: true, force: true });
  }
}

const run = promisify(execFile);

/** Runs a program from `programs/` with a command prefix. Returns its JSON output. */
export async function runProgram(name: string, folder: string, prefix: readonly string[] = []): Promise<unknown> {
  const argv = [
    ...prefix,
    process.execPath,
    '--import',
    'tsx',
    fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url)),
    folder,
  ];
  const { stdout } = await run(argv[0]!, argv.slice(1), { maxBuffer: 1 << 20 });
  return JSON.parse(stdout) as unknown;
}

/** Returns a whole number from 0 to `below` - 1. */
export type RandomInteger = (below: number) => number;

/** Returns a random function. The same seed gives the same sequence. */
export const seededRandom: (seed: number) => RandomInteger = createRandomInteger;

export function pick<T>(random: RandomInteger, from: readonly T[]): T {
  return from[random(from.length)]!;
}

/** Returns random output: lines, CRLF, empty lines, long lines, broken UTF-8, NUL. */
export function randomOutput(random: RandomInteger, pieces: number): Buffer {
  const texts = [
    '\n',
    '\n',
    '\r\n',
    '\r',
    'a',
    'word ',
    'é',
    '€',
    '😀',
    '\0',
    'x'.repeat(20),
    'y'.repeat(70),
    '😀'.repeat(30),
  ];
  const broken = [
    [0xff],
    [0x80],
    [0xc3],
    [0xe2, 0x82],
    [0xf0, 0x9f, 0x98],
    [0x80, 0x80, 0x80, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
  ];
  const often = random(3);
  return Buffer.concat(
    Array.from({ length: pieces }, () =>
      random(10) < often ? Buffer.from(pick(random, broken)) : Buffer.from(pick(random, texts)),
    ),
  );
}

/** Splits `bytes` into chunks of random size, from single bytes to all at once. */
export function randomChunks(bytes: Uint8Array, random: RandomInteger): Uint8Array[] {
  const sizeMax = pick(random, [1, 3, 50, 1000, bytes.length + 1]);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random(sizeMax));
    chunks.push(Uint8Array.from(bytes.subarray(at, end)));
    at = end;
  }
  return chunks;
}

/** Returns the payloads of consecutive websocket text frames. Throws for anything else (RFC 6455, 5.2). */
export function parseTextFrames(frames: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at < frames.length; ) {
    if (frames[at] !== 0x81) throw new Error(`no complete text frame begins at ${at}`);
    const [length, start] = lengthAt(frames, at + 1);
    if (start + length > frames.length) throw new Error(`the frame at ${at} is incomplete`);
    payloads.push(frames.subarray(start, start + length));
    at = start + length;
  }
  return payloads;
}

function lengthAt(frames: Buffer, at: number): readonly [number, number] {
  const short = frames[at]!;
  if (short < 126) return [short, at + 1];
  const length = short === 126 ? frames.readUInt16BE(at + 1) : Number(frames.readBigUInt64BE(at + 1));
  if (length < (short === 126 ? 126 : 0x10000))
    throw new Error(`the length ${length} is not encoded in the shortest form`);
  return [length, at + (short === 126 ? 3 : 9)];
}

/** Encodes an entry as text frames and returns their payloads: the lines of a batch, or the text of a chunk. */
export function readEntryLines(entry: OutputEntry): readonly string[] {
  return parseTextFrames(encodeOnce(entry, encodeTextFrames).bytes).map((payload) => payload.toString('utf8'));
}

/**
 * A sink that records lines as text, events as `#type seq` or `#stream:stderr:job seq`, and gaps as `~from-to`.
 * `isFull` decides when it is full.
 */
export class RecordingSink implements LogSink {
  readonly received: string[] = [];
  bytes = 0;
  readonly #isFull: () => boolean;

  constructor(isFull: () => boolean = () => false) {
    this.#isFull = isFull;
  }

  get full(): boolean {
    return this.#isFull();
  }

  output(entry: OutputEntry): void {
    this.bytes += encodeOnce(entry, encodeTextFrames).byteLength;
    this.received.push(...readEntryLines(entry));
  }

  event(json: Uint8Array): void {
    const { type, seq, stream, job } = JSON.parse(Buffer.from(json).toString('utf8')) as {
      type: string;
      seq: number;
      stream?: string;
      job?: string;
    };
    this.received.push(
      `#${type === 'stream' ? [type, stream, ...(job === undefined ? [] : [job])].join(':') : type} ${seq}`,
    );
  }

  gap(from: number, to: number, reason: GapReason): void {
    expect(reason).to.equal('retention');
    this.received.push(`~${from}-${to}`);
  }
}

/** Compares long lists and shows the first difference only. */
export function expectSameItems(actual: readonly string[], expected: readonly string[], what: string): void {
  const at = expected.findIndex((text, i) => text !== actual[i]);
  const first = at === -1 ? expected.length : at;
  expect(actual[first]?.slice(0, 200), `${what}, item ${first}`).to.equal(expected[first]?.slice(0, 200));
  expect(actual.length, what).to.equal(expected.length);
}

export const throwError = (error: Error): void => {
  throw error;
};

export function newLog(folder: string, format: LogFormat = 'lines', limits: Partial<LogLimits> = {}): RunLog {
  const own = join(folder, `log-${(logs += 1)}`);
  const log = RunLog.create(own, { format, limits: { ...defaultLimits, ...limits }, onFailure: throwError });
  folders.set(log, own);
  return log;
}

/** Returns the folder of a log created by `newLog`. */
export function logFolder(log: RunLog): string {
  return folders.get(log)!;
}

const folders = new WeakMap<RunLog, string>();
let logs = 0;

export interface BlockedDisk {
  unblock(): Promise<void>;
}

/** Blocks all asynchronous work of `node:fs` until `unblock`: every thread waits to open a pipe without a writer. */
export async function blockDisk(folder: string): Promise<BlockedDisk> {
  const pipe = join(folder, `pipe-${(logs += 1)}`);
  makePipe(pipe);
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  const opened = Array.from(
    { length: threads },
    () =>
      new Promise<number>((resolve, reject) => {
        fs.open(pipe, 'r', (error, file) => (error === null ? resolve(file) : reject(error)));
      }),
  );
  return {
    async unblock() {
      let writer: number | undefined;
      // The open fails with ENXIO until a thread has opened the pipe for reading.
      await waitUntil('a thread waits for the pipe', () => (writer = tryOpen(pipe)) !== undefined);
      for (const file of await Promise.all(opened)) fs.closeSync(file);
      fs.closeSync(writer!);
      fs.unlinkSync(pipe);
    },
  };
}

/** Creates a named pipe. A process for the program mkfifo would take longer than most tests with random operations. */
function makePipe(path: string): void {
  mkfifo ??= koffi.load(null).func('int mkfifo(const char *path, unsigned int mode)');
  if (mkfifo(path, 0o600) !== 0) throw new Error(`cannot create the pipe ${path}`);
}

let mkfifo: ((path: string, mode: number) => number) | undefined;

function tryOpen(pipe: string): number | undefined {
  try {
    return fs.openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

export function countOpenFiles(): number {
  return fs.readdirSync('/proc/self/fd').length;
}
