// Reproduces the files of a log as a killed gateway leaves them, at any instant of writing.

import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { RunLog } from '../../../server/runs/log/log.ts';
import { comparePositions } from '../../../server/runs/log/position.ts';
import { checkpointBytes } from '../../../server/runs/log/storage/checkpoint.ts';
import { segmentPath } from '../../../server/runs/log/storage/segment-folder.ts';
import type { RandomInteger } from './test-log.ts';

type Kind = 'index' | 'events' | 'lines';

/** Growth of a file from `from` bytes to `to` bytes. -1: the file did not exist. */
interface Growth {
  readonly kind: Kind;
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** Records in which order the files of a log grow while it is written step by step. */
export class WriteRecorder {
  readonly #folder: string;
  readonly #growths: Growth[] = [];
  readonly #sizes = new Map<string, number>();

  /** Creates a recorder. The bytes that already exist are part of every copy. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#recordGrowth();
  }

  async step(log: RunLog, work: () => void): Promise<void> {
    work();
    await waitUntilWritten(log);
    this.#recordGrowth();
  }

  /** Copies the files as they were at one instant, in the middle or at the end of a growth. */
  copyAtCrash(random: RandomInteger, folder: string): void {
    mkdirSync(folder);
    const instant = random(this.#growths.length + 1);
    const sizes = new Map<string, number>();
    for (const { kind, number, to } of this.#growths.slice(0, instant)) sizes.set(segmentPath('', kind, number), to);
    const torn = this.#growths[instant];
    if (torn !== undefined)
      sizes.set(segmentPath('', torn.kind, torn.number), torn.from + random(torn.to - torn.from + 1));
    for (const [name, size] of sizes) {
      if (size < 0) continue;
      copyFileSync(join(this.#folder, name), join(folder, name));
      truncateSync(join(folder, name), size);
    }
  }

  #recordGrowth(): void {
    for (let number = 0; existsSync(segmentPath(this.#folder, 'lines', number)); number++) {
      // A new segment begins with its index and the initial checkpoint. The other files follow, still empty.
      if (!this.#sizes.has(segmentPath('', 'lines', number))) {
        this.#grow('index', number, checkpointBytes);
        this.#grow('events', number, 0);
        this.#grow('lines', number, 0);
      }
      for (const kind of ['events', 'lines', 'index'] as const)
        this.#grow(kind, number, statSync(segmentPath(this.#folder, kind, number)).size);
    }
  }

  #grow(kind: Kind, number: number, to: number): void {
    const name = segmentPath('', kind, number);
    const from = this.#sizes.get(name) ?? -1;
    if (from === to) return;
    this.#growths.push({ kind, number, from, to });
    this.#sizes.set(name, to);
  }
}

/** Resolves when everything appended is in the files. */
function waitUntilWritten(log: RunLog): Promise<void> {
  return new Promise((resolve) => {
    const resolveIfWritten = (): void => {
      if (comparePositions(log.written, log.position) !== 0) return;
      unwatch();
      resolve();
    };
    const unwatch = log.watch(resolveIfWritten);
    resolveIfWritten();
  });
}

export interface StoredContent {
  /** Bytes that were printed on each stream. */
  readonly streams: Readonly<Record<OutputStream, Buffer>>;
  readonly events: readonly {
    readonly seq: number;
    readonly at: number;
    readonly type: string;
    readonly bytes?: number;
  }[];
  readonly lines: number;
}

/** Reads the files in the simplest way. Throws if they are inconsistent. */
export function readStoredLog(folder: string): StoredContent {
  const all = (kind: Kind): Buffer => {
    const pieces: Buffer[] = [];
    for (let number = 0; existsSync(segmentPath(folder, kind, number)); number++)
      pieces.push(readFileSync(segmentPath(folder, kind, number)));
    return Buffer.concat(pieces);
  };
  const events = all('events')
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((json) => JSON.parse(json) as StoredContent['events'][number] & { stream?: OutputStream });
  const text = all('lines').toString('latin1');
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no terminator');
  const lines = text
    .split('\n')
    .slice(0, -1)
    .map((line) => `${line}\n`);
  const streams = { stdout: [] as string[], stderr: [] as string[] };
  let stream: OutputStream = 'stdout';
  let next = 0;
  events.forEach((event, i) => {
    if (event.seq !== i + 1 || event.at < next || event.at > lines.length)
      throw new Error(`event ${i + 1} is out of order: ${JSON.stringify(event)}`);
    streams[stream].push(...lines.slice(next, event.at));
    next = event.at;
    if (event.type === 'stream') stream = event.stream!;
    if (event.type === 'cut' || event.type === 'unterminated')
      streams[stream].push(streams[stream].pop()!.slice(0, -1));
  });
  streams[stream].push(...lines.slice(next));
  const bytes = (of: OutputStream): Buffer => Buffer.from(streams[of].join(''), 'latin1');
  return { streams: { stdout: bytes('stdout'), stderr: bytes('stderr') }, events, lines: lines.length };
}
