// Where the lines of a log come from: the two streams of the run itself, and those of its parts. Each has its own unfinished line.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { Json } from '../../../protocol/record.ts';
import { LineSplitter } from './splitter.ts';

/** Longer names are cut: an event has to hold one. */
const jobCharsMax = 256;

export interface Source {
  readonly stream: OutputStream;
  /** The part of the run; absent: the run itself. */
  readonly job?: string;
  readonly splitter: LineSplitter;
}

export class Sources {
  readonly #lineBytesMax: number;
  #own: Readonly<Record<OutputStream, Source>>;
  /** Of those that have printed and are not at their end: a run may have a thousand parts, one after the other. */
  readonly #parts = new Map<string, Source>();

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
    this.#own = this.#anew();
  }

  get own(): Readonly<Record<OutputStream, Source>> {
    return this.#own;
  }

  /** Made when there is none yet. */
  ofPart(name: string, stream: OutputStream): Source {
    const key = stream + name;
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const made: Source = { stream, job: name.slice(0, jobCharsMax), splitter: new LineSplitter(this.#lineBytesMax) };
    this.#parts.set(key, made);
    return made;
  }

  /** That stream of that part, if it has begun and not ended; it has ended then. */
  takePart(name: string, stream: OutputStream): Source | undefined {
    const known = this.#parts.get(stream + name);
    this.#parts.delete(stream + name);
    return known;
  }

  /** All that may have begun a line, the run itself first. */
  all(): readonly Source[] {
    return [this.#own.stdout, this.#own.stderr, ...this.#parts.values()];
  }

  /** Lets go of every unfinished line, and gives how many bytes these were. */
  drop(): number {
    const bytes = this.all().reduce((sum, { splitter }) => sum + splitter.unfinished.length, 0);
    this.#own = this.#anew();
    this.#parts.clear();
    return bytes;
  }

  #anew(): Readonly<Record<OutputStream, Source>> {
    return {
      stdout: { stream: 'stdout', splitter: new LineSplitter(this.#lineBytesMax) },
      stderr: { stream: 'stderr', splitter: new LineSplitter(this.#lineBytesMax) },
    };
  }
}

/** What events say of a source. */
export function factsOf({ stream, job }: Pick<Source, 'stream' | 'job'>): Readonly<Record<string, Json>> {
  return job === undefined ? { stream } : { stream, job };
}

/** Where every log begins: nothing has to be said of it. */
export function isPlain({ stream, job }: Pick<Source, 'stream' | 'job'>): boolean {
  return stream === 'stdout' && job === undefined;
}
