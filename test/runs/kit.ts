// What the tests of runs share: seeded chance, folders, a disk that can be held up, and outlets that write down what they are given.

import { wholeFrom } from '../helpers/random.ts';
import { expect } from 'chai';
import { execFile, execFileSync } from 'node:child_process';
import fs, { constants } from 'node:fs';
import * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { GapReason } from '../../protocol/messages.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { LogLimits } from '../../server/runs/log/log.ts';
import { RunLog } from '../../server/runs/log/log.ts';
import type { Shape } from '../../server/runs/log/page.ts';
import type { Outlet } from '../../server/runs/watcher.ts';
import { until } from '../helpers/until.ts';

/** Runs `work` in a folder of its own that is gone afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await files.mkdtemp(join(tmpdir(), 'runs-'));
  try {
    return await work(folder);
  } finally {
    await files.rm(folder, { recursive: true, force: true });
  }
}

const run = promisify(execFile);

/** Runs a program of this folder's as `prefix` says, and gives what it printed. */
export async function programOf(name: string, folder: string, prefix: readonly string[] = []): Promise<unknown> {
  const argv = [...prefix, process.execPath, '--import', 'tsx', fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url)), folder];
  const { stdout } = await run(argv[0]!, argv.slice(1), { maxBuffer: 1 << 20 });
  return JSON.parse(stdout) as unknown;
}

export interface Chance {
  /** A whole number from 0 to `below` - 1. */
  (below: number): number;
}

/** The same sequence for the same seed. */
export const chance: (seed: number) => Chance = wholeFrom;

export function pick<T>(rnd: Chance, from: readonly T[]): T {
  return from[rnd(from.length)]!;
}

/** Bytes as programs print them, and as they do not: lines, CRLF, empty lines, long lines, broken UTF-8, NUL. */
export function someBytes(rnd: Chance, pieces: number): Buffer {
  const texts = ['\n', '\n', '\r\n', '\r', 'a', 'word ', 'é', '€', '😀', '\0', 'x'.repeat(20), 'y'.repeat(70), '😀'.repeat(30)];
  const broken = [[0xff], [0x80], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0x80, 0x80, 0x80, 0x80, 0x80], [0xed, 0xa0, 0x80]];
  const often = rnd(3);
  return Buffer.concat(Array.from({ length: pieces }, () => (rnd(10) < often ? Buffer.from(pick(rnd, broken)) : Buffer.from(pick(rnd, texts)))));
}

/** `bytes` in chunks of random size, from single bytes to all at once. */
export function chunksOf(bytes: Uint8Array, rnd: Chance): Uint8Array[] {
  const sizeMax = pick(rnd, [1, 3, 50, 1000, bytes.length + 1]);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + rnd(sizeMax));
    chunks.push(Uint8Array.from(bytes.subarray(at, end)));
    at = end;
  }
  return chunks;
}

/** The payloads of websocket text frames that stand behind one another. Throws on anything else (RFC 6455, 5.2). */
export function payloadsOf(frames: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at < frames.length;) {
    if (frames[at] !== 0x81) throw new Error(`at ${at} begins no whole text frame`);
    const [length, start] = lengthAt(frames, at + 1);
    if (start + length > frames.length) throw new Error(`the frame at ${at} is not all there`);
    payloads.push(frames.subarray(start, start + length));
    at = start + length;
  }
  return payloads;
}

function lengthAt(frames: Buffer, at: number): readonly [number, number] {
  const short = frames[at]!;
  if (short < 126) return [short, at + 1];
  const length = short === 126 ? frames.readUInt16BE(at + 1) : Number(frames.readBigUInt64BE(at + 1));
  if (length < (short === 126 ? 126 : 0x10000)) throw new Error(`the length ${length} is not written in the shortest way`);
  return [length, at + (short === 126 ? 3 : 9)];
}

/** Writes down what it is given: lines as they are, events as `#type seq` or `#stream:stderr:job seq`, gaps as `~from-to`. Full when `isFull` says so. */
export class Notebook implements Outlet {
  readonly told: string[] = [];
  bytes = 0;
  readonly #isFull: () => boolean;

  constructor(isFull: () => boolean = () => false) {
    this.#isFull = isFull;
  }

  get full(): boolean {
    return this.#isFull();
  }

  frames(frames: Buffer): void {
    this.bytes += frames.length;
    for (const payload of payloadsOf(frames)) this.told.push(payload.toString('utf8'));
  }

  event(json: Uint8Array): void {
    const { type, seq, stream, job } = JSON.parse(Buffer.from(json).toString('utf8')) as { type: string; seq: number; stream?: string; job?: string };
    this.told.push(`#${type === 'stream' ? [type, stream, ...(job === undefined ? [] : [job])].join(':') : type} ${seq}`);
  }

  gap(from: number, to: number, reason: GapReason): void {
    expect(reason).to.equal('retention');
    this.told.push(`~${from}-${to}`);
  }
}

/** Deep equality of long lists, which shows the first difference and not the lists. */
export function expectSame(actual: readonly string[], expected: readonly string[], what: string): void {
  const at = expected.findIndex((text, i) => text !== actual[i]);
  const first = at === -1 ? expected.length : at;
  expect(actual[first]?.slice(0, 200), `${what}, item ${first}`).to.equal(expected[first]?.slice(0, 200));
  expect(actual.length, what).to.equal(expected.length);
}

export const failIfBroken = (error: Error): void => {
  throw error;
};

export function newLog(folder: string, shape: Shape = 'lines', limits: Partial<LogLimits> = {}): RunLog {
  const own = join(folder, `log-${(logs += 1)}`);
  const log = RunLog.create(own, { shape, limits: { ...defaultLimits, ...limits }, onFailure: failIfBroken });
  folders.set(log, own);
  return log;
}

/** Where the files of a log of `newLog` are, or will be. */
export function folderOf(log: RunLog): string {
  return folders.get(log)!;
}

const folders = new WeakMap<RunLog, string>();
let logs = 0;

export interface HeldDisk {
  letGo(): Promise<void>;
}

/** Nothing asynchronous of `node:fs` goes on until `letGo`: every thread that does it waits to open a pipe nobody writes to yet. */
export async function holdDisk(folder: string): Promise<HeldDisk> {
  const pipe = join(folder, `pipe-${(logs += 1)}`);
  execFileSync('mkfifo', [pipe]);
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  const opened = Array.from({ length: threads }, () => new Promise<number>((resolve, reject) => {
    fs.open(pipe, 'r', (error, file) => (error === null ? resolve(file) : reject(error)));
  }));
  return {
    async letGo() {
      let writer: number | undefined;
      // Until a first thread has come to open the pipe there is nobody to write to: ENXIO.
      await until('a thread waits for the pipe', () => (writer = tryOpen(pipe)) !== undefined);
      for (const file of await Promise.all(opened)) fs.closeSync(file);
      fs.closeSync(writer!);
      fs.unlinkSync(pipe);
    },
  };
}

function tryOpen(pipe: string): number | undefined {
  try {
    return fs.openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

export function openFiles(): number {
  return fs.readdirSync('/proc/self/fd').length;
}
