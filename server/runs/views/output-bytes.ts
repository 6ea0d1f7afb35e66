// Reads the stored bytes of one stream of an exact log, up to its present end.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { OutputEntry } from '../log/entry.ts';
import type { WatchableLog } from '../log/watchable-log.ts';
import { type LogSink, Watcher } from './watcher.ts';

export interface OutputBytesQuery {
  readonly stream: OutputStream;
  /** Number of bytes of the log, of both streams, to skip. */
  readonly after: number;
}

/** The error for a range of bytes that are no longer stored, both ends included. */
export class OutputRemoved extends Error {
  override readonly name = 'OutputRemoved';
  readonly to: number;

  constructor(from: number, to: number) {
    super(`bytes ${from} to ${to} are no longer stored`);
    this.to = to;
  }
}

/** Number of bytes that are read ahead of the consumer. */
const aheadBytesMax = 256 << 10;

/** Yields the bytes in the order of their arrival. Throws OutputRemoved, or the error of the file system. */
export async function* readOutputBytes(
  log: WatchableLog,
  { stream, after }: OutputBytesQuery,
): AsyncGenerator<Buffer, void, void> {
  const until = log.position.byte;
  const located = await log.locateWithSource({ after: Math.min(after, until) }, 'raw');
  const collector = new StreamCollector(stream);
  if (located.sourceEvent !== undefined) collector.event(located.sourceEvent);
  const watcher = new Watcher(log, collector, {
    format: 'raw',
    from: located.position,
    onEnd: () => collector.finish(),
    onError: (error) => collector.finish(error),
  });
  try {
    for (;;) {
      watcher.wake();
      const bytes = collector.take();
      if (bytes.length > 0) yield bytes;
      else if (collector.ended || watcher.position.byte >= until) return;
      else await collector.progress();
    }
  } finally {
    watcher.stop();
  }
}

/** Collects the bytes of one stream. */
class StreamCollector implements LogSink {
  ended = false;
  readonly #stream: OutputStream;
  #current: OutputStream = 'stdout';
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #error: unknown;
  #onProgress: () => void = () => {};

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  get full(): boolean {
    return this.#bytes >= aheadBytesMax;
  }

  output({ pieces }: OutputEntry): void {
    // The pieces are valid only until this method returns.
    if (this.#current === this.#stream) for (const piece of pieces) this.#add(Uint8Array.from(piece));
    this.#onProgress();
  }

  event(json: Uint8Array): void {
    const { type, stream } = JSON.parse(Buffer.from(json).toString('utf8')) as { type: string; stream?: OutputStream };
    if (type === 'stream') this.#current = stream ?? 'stdout';
    this.#onProgress();
  }

  gap(from: number, to: number): void {
    this.finish(new OutputRemoved(from, to));
  }

  finish(error?: unknown): void {
    this.ended = true;
    this.#error ??= error;
    this.#onProgress();
  }

  /** Returns and removes what was collected. Throws the error that ended the collection. */
  take(): Buffer {
    if (this.#error !== undefined) throw this.#error as Error;
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return bytes;
  }

  /** Resolves when something was collected or the log has ended. */
  progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#onProgress = resolve;
    });
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }
}
