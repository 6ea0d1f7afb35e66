// The sources of a log's lines: the two streams of the run and of each of its parts, each with its own partial line.

import type { OutputStream } from '../../../../calls/contract/ports.ts';
import type { Json } from '../../../../protocol/run-record.ts';
import { LineSplitter } from './line-splitter.ts';

/** Longer names are cut, because an event has to contain them. */
const nameCharsMax = 256;

/** What a `stream` event says about the lines that follow it. */
export interface SourceName {
  readonly stream: OutputStream;
  /** The part of the run; absent: the run itself. */
  readonly job?: string;
  /** The service of the job that printed the lines; absent: the job itself. Clients show such lines on request only. */
  readonly service?: string;
  /** The failed service whose lines the job repeats. */
  readonly repeats?: string;
}

export type PartName = Omit<SourceName, 'stream'> & Required<Pick<SourceName, 'job'>>;

export interface OutputSource extends SourceName {
  readonly splitter: LineSplitter;
}

export class OutputSources {
  readonly #lineBytesMax: number;
  #own: Readonly<Record<OutputStream, OutputSource>>;
  /** Sources of parts that have printed and not ended. A run may have a thousand parts, one after another. */
  readonly #parts = new Map<string, OutputSource>();

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
    this.#own = this.#createOwn();
  }

  get own(): Readonly<Record<OutputStream, OutputSource>> {
    return this.#own;
  }

  /** Returns the source of a part; creates it if needed. */
  partSource(name: PartName, stream: OutputStream): OutputSource {
    const key = partKey(name, stream);
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const { job, service, repeats } = name;
    const created: OutputSource = {
      stream,
      job: job.slice(0, nameCharsMax),
      ...(service !== undefined && { service: service.slice(0, nameCharsMax) }),
      ...(repeats !== undefined && { repeats: repeats.slice(0, nameCharsMax) }),
      splitter: new LineSplitter(this.#lineBytesMax),
    };
    this.#parts.set(key, created);
    return created;
  }

  /** Removes and returns the source of a part; undefined if it has not printed or has already ended. */
  closePart(name: PartName, stream: OutputStream): OutputSource | undefined {
    const key = partKey(name, stream);
    const known = this.#parts.get(key);
    this.#parts.delete(key);
    return known;
  }

  /** Returns all sources that may have a partial line, those of the run itself first. */
  all(): readonly OutputSource[] {
    return [this.#own.stdout, this.#own.stderr, ...this.#parts.values()];
  }

  /** Drops every partial line and returns their total length. */
  discardPartialLines(): number {
    const bytes = this.all().reduce((sum, { splitter }) => sum + splitter.partialLine.length, 0);
    this.#own = this.#createOwn();
    this.#parts.clear();
    return bytes;
  }

  #createOwn(): Readonly<Record<OutputStream, OutputSource>> {
    return {
      stdout: { stream: 'stdout', splitter: new LineSplitter(this.#lineBytesMax) },
      stderr: { stream: 'stderr', splitter: new LineSplitter(this.#lineBytesMax) },
    };
  }
}

function partKey({ job, service, repeats }: PartName, stream: OutputStream): string {
  if (service === undefined && repeats === undefined) return stream + job;
  return `${stream}${job}\0${service ?? ''}\0${repeats ?? ''}`;
}

/** Returns the event fields that name a source. */
export function sourceFields({
  stream,
  job,
  service,
  repeats,
}: SourceName): SourceName & Readonly<Record<string, Json>> {
  return {
    stream,
    ...(job !== undefined && { job }),
    ...(service !== undefined && { service }),
    ...(repeats !== undefined && { repeats }),
  };
}

/** True for the source at the beginning of a log, which needs no event. */
export function isDefaultSource({ stream, job }: SourceName): boolean {
  return stream === 'stdout' && job === undefined;
}

export function isSameSource(a: SourceName, b: SourceName): boolean {
  return a.stream === b.stream && a.job === b.job && a.service === b.service && a.repeats === b.repeats;
}

/** Returns the source that the JSON text of an event names; undefined if the event is not a `stream` event. */
export function readSource(json: Uint8Array): SourceName | undefined {
  const event = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8')) as SourceName & {
    readonly type: string;
  };
  return event.type === 'stream' ? sourceFields(event) : undefined;
}
