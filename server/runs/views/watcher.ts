// A watcher: a cursor that sends log entries to a sink, as fast as the sink accepts them.
//
// It reads from memory near the end of the log, and otherwise from the files.

import type { GapReason } from '../../../protocol/messages.ts';
import type { Encoder, Encoding, GapEntry, OutputEntry, WatcherEntry } from '../log/entry.ts';
import { beginning, type Position } from '../log/position.ts';
import type { LogFormat, Page } from '../log/storage/read-page.ts';
import type { WatchableLog } from '../log/watchable-log.ts';

/** Receives the entries of a watcher. */
export interface LogSink {
  /** Receives output in the format of the watcher. The bytes of the entry are valid only until this method returns. */
  output(entry: OutputEntry): void;
  /** Receives the JSON text of an event. */
  event(json: Uint8Array): void;
  /** Receives a range that no longer exists, both ends included. Lines or bytes are counted from 1. */
  gap?(from: number, to: number, reason: GapReason): void;
  /** True while the sink accepts nothing. Later, the owner of the sink must call `wake` of the watcher. */
  readonly full: boolean;
}

/** Returns the encoding of an entry. The first watcher creates it, all others get the same object. */
export function encodeOnce<E extends Encoding>(entry: OutputEntry, encoder: Encoder<E>): E {
  for (const known of entry.encodings ?? []) if (known.encoder === encoder) return known.encoding as E;
  const encoding = encoder(entry);
  (entry.encodings ??= []).push({ encoder, encoding });
  if (entry.tailBytes !== undefined) entry.tailBytes.total += encoding.byteLength;
  return encoding;
}

export interface WatcherOptions {
  /**
   * `lines`: the sink receives whole lines. `raw`: it receives the stored bytes, in chunks that may end within a line.
   */
  readonly format: LogFormat;
  readonly from?: Position;
  /** Called when the sink has received everything of an ended log. No callback follows. */
  readonly onEnd: () => void;
  /** Called if the files cannot be read or the sink has thrown. No callback follows. */
  readonly onError: (error: unknown) => void;
}

export class Watcher {
  position: Position;
  readonly #log: WatchableLog;
  readonly #sink: LogSink;
  readonly #options: WatcherOptions;
  readonly #unwatch: () => void;
  /** Number of the next entry in the memory tail. Undefined: the watcher is not in the tail. */
  #next: number | undefined;
  #reading = false;
  #stopped = false;
  /** The page that is being delivered. */
  #page: Page<WatcherEntry> | undefined;
  /** Number of entries of the page that are delivered. */
  #delivered = 0;

  constructor(log: WatchableLog, sink: LogSink, options: WatcherOptions) {
    this.#log = log;
    this.#sink = sink;
    this.#options = options;
    this.position = options.from ?? beginning;
    this.#unwatch = log.watch(() => this.wake());
  }

  /** Continues if the sink accepts more. Cheap if there is nothing to do. Idempotent; never throws. */
  wake(): void {
    try {
      this.#advance();
    } catch (error) {
      // An error of this sink must not affect the log or other watchers.
      this.#fail(error);
    }
  }

  /** Stops delivery. Idempotent. */
  stop(): void {
    this.#stopped = true;
    // Leave its memory to the garbage collector, because the sink may be using it now.
    this.#page = undefined;
    this.#unwatch();
  }

  #advance(): void {
    while (!this.#stopped && !this.#reading && !this.#sink.full) {
      const entry = this.#page?.entries[this.#delivered] ?? this.#nextFromTail();
      if (entry === undefined) return this.#readFromFiles();
      this.#deliver(entry);
      if (this.#page !== undefined && ++this.#delivered >= this.#page.entries.length) this.#releasePage();
    }
  }

  #deliver(entry: WatcherEntry): void {
    this.position = entry.end;
    if (this.#next !== undefined) this.#next++;
    switch (entry.type) {
      case 'event':
        return this.#sink.event(entry.json);
      case 'gap':
        return this.#deliverGap(entry);
      default:
        return this.#sink.output(entry);
    }
  }

  /** Reports a gap, unless only events are missing. */
  #deliverGap({ start, end, reason }: GapEntry): void {
    const unit = this.#options.format === 'raw' ? 'byte' : 'line';
    if (end[unit] > start[unit]) this.#sink.gap?.(start[unit] + 1, end[unit], reason);
  }

  #nextFromTail(): WatcherEntry | undefined {
    // The memory tail has entries only in the format of the log. A watcher of another format reads the files.
    if (this.#options.format !== this.#log.format) return undefined;
    this.#next ??= this.#log.tail.find(this.position);
    return this.#next === undefined ? undefined : this.#log.tail.get(this.#next);
  }

  /**
   * Reads the files if memory has no next entry. If the files have none either, ends if the log has ended, otherwise
   * waits.
   */
  #readFromFiles(): void {
    if (this.#log.hasMore(this.position, this.#options.format)) {
      this.#next = undefined;
      this.#readPage().catch((error: unknown) => this.#fail(error));
    } else if (this.#log.ended) {
      this.stop();
      this.#options.onEnd();
    }
  }

  async #readPage(): Promise<void> {
    this.#reading = true;
    const { written, ended } = this.#log;
    try {
      const page = await this.#log.page(this.position, this.#options.format);
      if (page.entries.length > 0) this.#page = page;
    } finally {
      this.#reading = false;
    }
    if (this.#stopped) return this.#releasePage();
    if (this.#page !== undefined || written !== this.#log.written || ended !== this.#log.ended) return this.wake();
    // A page is empty if no line is complete yet. That is an error only if the log has ended.
    if (ended) throw new Error('the files of the log contain less than was written');
  }

  #releasePage(): void {
    this.#page?.release();
    this.#page = undefined;
    this.#delivered = 0;
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onError(error);
  }
}
