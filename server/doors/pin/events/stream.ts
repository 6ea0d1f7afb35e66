// One reader of the event stream: a cursor in the journal that moves as fast as the client reads.

import type { Position } from '../../../runs/log/position.ts';
import { Watcher, type Outlet } from '../../../runs/watcher.ts';
import { encodeEvent, type PinEvent } from './event.ts';
import { encodeEvents, encodeFrame, heartbeat, type Wish } from './frames.ts';
import type { Journal } from './journal.ts';

/** Of an HTTP answer what a stream needs. */
export interface Sink {
  /** Bytes given to it that it still holds. */
  readonly writableLength: number;
  write(bytes: string | Uint8Array, taken?: () => void): unknown;
  end(): unknown;
}

/** Where a reader begins: behind so many events, or with what comes from now on. */
export type Start = { readonly after: number } | 'now';

export interface StreamOptions {
  readonly sink: Sink;
  readonly client: string;
  readonly start: Start;
  readonly wish: Wish;
  /** It ends behind the last event of the run it is about, whose number this gives as soon as it is known. */
  readonly until?: () => number | undefined;
  /** Told to those who begin now, behind the first frame: what was told before anybody could hear it. */
  readonly held?: PinEvent;
  /** Waiting in the sink before the cursor pauses. */
  readonly bytesMax: number;
  /** The journal cannot be read. */
  readonly onError: (error: unknown) => void;
}

export class PinStream implements Outlet {
  readonly #journal: Journal;
  readonly #options: StreamOptions;
  readonly #closing = new AbortController();
  #watcher: Watcher | undefined;
  /** Events told, passed over, or known to be gone. */
  #number = 0;
  #beatAt = performance.now();

  constructor(journal: Journal, options: StreamOptions) {
    this.#journal = journal;
    this.#options = options;
    const { start, held, client } = options;
    const { log } = journal;
    this.#number = start === 'now' ? journal.count : start.after;
    // Asked for in the same turn: what comes from now on, and nothing of it is missed.
    const place = log.locate(start === 'now' ? { last: 0 } : { after: start.after }, 'lines', this.#closing.signal);
    this.#tell({ type: 'connection', level: 'info', message: 'Connected to PIN SSE server', timestamp: now(), clientId: client });
    if (start === 'now' && held !== undefined) this.#tell(held);
    place.then((from) => this.#follow(from)).catch((error: unknown) => this.#fail(error));
  }

  get full(): boolean {
    return this.#options.sink.writableLength >= this.#options.bytesMax;
  }

  frames(frames: Buffer): void {
    const { bytes, count, last } = encodeEvents(frames, this.#number + 1, { ids: this.#journal.ids, wish: this.#options.wish });
    this.#number += count;
    if (bytes.length > 0) this.#write(bytes);
    if (last || this.#isPastAll) this.#done();
  }

  /** Of the log itself nothing is told. */
  event(): void {}

  gap(from: number, to: number): void {
    this.#number = to;
    const { ids } = this.#journal;
    this.#tell({
      type: 'gap', level: 'warning', message: `Events ${ids.idOf(from)} to ${ids.idOf(to)} are not kept any more; the next one is ${ids.idOf(to + 1)}`, timestamp: now(),
      from: ids.idOf(from), to: ids.idOf(to), next: ids.idOf(to + 1),
    });
    if (this.#isPastAll) this.#done();
  }

  /** A comment every `heartbeatMs`, unless something is waiting to be read anyway. */
  beat(nowMs: number, heartbeatMs: number): void {
    if (nowMs - this.#beatAt < heartbeatMs) return;
    this.#beatAt = nowMs;
    if (this.#options.sink.writableLength === 0) this.#write(heartbeat);
  }

  /** Tells nothing more, and ends the answer; the client may come back to where it is. Safe twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#closing.abort(new Error('the stream is closed'));
    this.#watcher?.stop();
    this.#options.sink.end();
  }

  get #isPastAll(): boolean {
    return (this.#options.until?.() ?? Infinity) <= this.#number;
  }

  #done(): void {
    if (this.#options.until !== undefined) this.close();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #follow(from: Position): void {
    if (this.#isClosed) return;
    this.#number = from.line;
    this.#watcher = new Watcher(this.#journal.log, this, { shape: 'lines', from, onEnd: () => this.close(), onError: (error) => this.#fail(error) });
    this.#watcher.wake();
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.onError(error);
    this.close();
  }

  /** Not in the journal: its id is where the reader is already. */
  #tell(event: PinEvent): void {
    this.#write(encodeFrame(this.#journal.ids.idOf(this.#number), event.type, encodeEvent(event), this.#options.wish));
  }

  #write(bytes: string | Uint8Array): void {
    if (!this.#isClosed) this.#options.sink.write(bytes, () => this.#watcher?.wake());
  }
}

function now(): string {
  return new Date().toISOString();
}
