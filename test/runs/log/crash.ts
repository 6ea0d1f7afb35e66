// What a gateway leaves of a log when it is killed, at any instant of the writing: as many of its bytes, in the order in which they are written.

import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { RunLog } from '../../../server/runs/log/log.ts';
import { markBytes } from '../../../server/runs/log/mark.ts';
import { compare } from '../../../server/runs/log/position.ts';
import { pathOf } from '../../../server/runs/log/segments.ts';
import type { Chance } from '../kit.ts';

type Kind = 'index' | 'events' | 'lines';

/** A file grew, from nothing (-1: it was not there) or from so many bytes. */
interface Growth {
  readonly kind: Kind;
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** Writes down in which order the files of a log grow, while it is brought to the disk step by step. */
export class Film {
  readonly #folder: string;
  readonly #growths: Growth[] = [];
  readonly #sizes = new Map<string, number>();

  /** What is there already stays there. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#look();
  }

  async step(log: RunLog, work: () => void): Promise<void> {
    work();
    await written(log);
    this.#look();
  }

  /** A copy as it was at one instant; in the middle of a file's growth, and at its ends. */
  killedAt(rnd: Chance, folder: string): void {
    mkdirSync(folder);
    const instant = rnd(this.#growths.length + 1);
    const sizes = new Map<string, number>();
    this.#growths.slice(0, instant).forEach(({ kind, number, to }) => sizes.set(pathOf('', kind, number), to));
    const torn = this.#growths[instant];
    if (torn !== undefined) sizes.set(pathOf('', torn.kind, torn.number), torn.from + rnd(torn.to - torn.from + 1));
    for (const [name, size] of sizes) {
      if (size < 0) continue;
      copyFileSync(join(this.#folder, name), join(folder, name));
      truncateSync(join(folder, name), size);
    }
  }

  #look(): void {
    for (let number = 0; existsSync(pathOf(this.#folder, 'lines', number)); number++) {
      // A new segment: its index with where it begins, then the others, still empty.
      if (!this.#sizes.has(pathOf('', 'lines', number))) {
        this.#grow('index', number, markBytes);
        this.#grow('events', number, 0);
        this.#grow('lines', number, 0);
      }
      for (const kind of ['events', 'lines', 'index'] as const) this.#grow(kind, number, statSync(pathOf(this.#folder, kind, number)).size);
    }
  }

  #grow(kind: Kind, number: number, to: number): void {
    const name = pathOf('', kind, number);
    const from = this.#sizes.get(name) ?? -1;
    if (from === to) return;
    this.#growths.push({ kind, number, from, to });
    this.#sizes.set(name, to);
  }
}

/** Resolves when everything appended is in the files. */
function written(log: RunLog): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (compare(log.written, log.position) !== 0) return;
      unwatch();
      resolve();
    };
    const unwatch = log.watch(look);
    look();
  });
}

export interface Stored {
  /** What each stream printed. */
  readonly streams: Readonly<Record<OutputStream, Buffer>>;
  readonly events: readonly { readonly seq: number; readonly at: number; readonly type: string; readonly bytes?: number }[];
  readonly lines: number;
}

/** What the files say, read as simply as can be. Throws when they are not in order. */
export function stored(folder: string): Stored {
  const all = (kind: Kind): Buffer => {
    const pieces: Buffer[] = [];
    for (let number = 0; existsSync(pathOf(folder, kind, number)); number++) pieces.push(readFileSync(pathOf(folder, kind, number)));
    return Buffer.concat(pieces);
  };
  const events = all('events').toString('utf8').split('\n').slice(0, -1).map((json) => JSON.parse(json) as Stored['events'][number] & { stream?: OutputStream });
  const text = all('lines').toString('latin1');
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line is not whole');
  const lines = text.split('\n').slice(0, -1).map((line) => `${line}\n`);
  const streams = { stdout: [] as string[], stderr: [] as string[] };
  let stream: OutputStream = 'stdout';
  let next = 0;
  events.forEach((event, i) => {
    if (event.seq !== i + 1 || event.at < next || event.at > lines.length) throw new Error(`event ${i + 1} stands wrong: ${JSON.stringify(event)}`);
    streams[stream].push(...lines.slice(next, event.at));
    next = event.at;
    if (event.type === 'stream') stream = event.stream!;
    if (event.type === 'cut' || event.type === 'unterminated') streams[stream].push(streams[stream].pop()!.slice(0, -1));
  });
  streams[stream].push(...lines.slice(next));
  const bytes = (of: OutputStream): Buffer => Buffer.from(streams[of].join(''), 'latin1');
  return { streams: { stdout: bytes('stdout'), stderr: bytes('stderr') }, events, lines: lines.length };
}
