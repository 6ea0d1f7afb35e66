// A watcher: a cursor that moves through a log as fast as its outlet takes, from memory near the end and from the files behind that.

import { framesOf, type Item } from './log/item.ts';
import type { RunLog } from './log/log.ts';
import type { Shape } from './log/page.ts';
import { beginning, compare, type Position } from './log/position.ts';

/** Where a watcher brings what it passes. */
export interface Outlet {
  /** Takes whole websocket text frames. */
  frames(frames: Buffer): void;
  /** Takes an event's JSON text. */
  event(json: Uint8Array): void;
  /** True while it should not be given more; it calls `wake()` of the watcher when that is over. */
  readonly full: boolean;
}

export interface WatcherOptions {
  /** How the outlet wants the log: a terminal's bytes as they are, or lines. */
  readonly shape: Shape;
  readonly from?: Position;
  /** Called once, when the outlet has everything of an ended log. */
  readonly onEnd: () => void;
  /** The files cannot be read. */
  readonly onError: (error: unknown) => void;
}

export class Watcher {
  position: Position;
  readonly #log: RunLog;
  readonly #outlet: Outlet;
  readonly #options: WatcherOptions;
  readonly #unwatch: () => void;
  /** Number of the next item in the log's tail, while the watcher is there. */
  #next: number | undefined;
  #reading = false;
  #stopped = false;
  #waiting: readonly Item[] = [];

  constructor(log: RunLog, outlet: Outlet, options: WatcherOptions) {
    this.#log = log;
    this.#outlet = outlet;
    this.#options = options;
    this.position = options.from ?? beginning;
    this.#unwatch = log.watch(() => this.wake());
  }

  /** Goes on, if it can. Cheap when there is nothing to do; safe at any time. */
  wake(): void {
    while (!this.#stopped && !this.#reading && !this.#outlet.full) {
      const item = this.#waiting[0] ?? this.#fromTail();
      if (item === undefined) return this.#behindTail();
      if (this.#waiting.length > 0) this.#waiting = this.#waiting.slice(1);
      this.#deliver(item);
    }
  }

  /** Nothing more reaches the outlet. Safe twice. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#unwatch();
  }

  #deliver(item: Item): void {
    this.position = item.end;
    if (this.#next !== undefined) this.#next++;
    if (item.type === 'event') this.#outlet.event(item.json);
    else this.#outlet.frames(framesOf(item));
  }

  #fromTail(): Item | undefined {
    // A terminal's lines are not in the tail, which holds its chunks.
    if (this.#options.shape !== this.#log.shape) return undefined;
    this.#next ??= this.#log.tail.find(this.position);
    return this.#next === undefined ? undefined : this.#log.tail.get(this.#next);
  }

  /** Nothing for us in memory: read the files, or wait, or be done. */
  #behindTail(): void {
    const { position, written, ended } = this.#log;
    if (compare(this.position, written) < 0) {
      this.#next = undefined;
      this.#read().catch((error: unknown) => this.#options.onError(error));
    } else if (ended && compare(this.position, this.#log.failure === undefined ? position : written) >= 0) {
      this.stop();
      this.#options.onEnd();
    }
  }

  async #read(): Promise<void> {
    this.#reading = true;
    const before = this.#log.written;
    const ended = this.#log.ended;
    try {
      this.#waiting = await this.#log.page(this.position, this.#options.shape);
    } finally {
      this.#reading = false;
    }
    // No whole line yet: wait until more is written, unless that has happened while we read.
    if (this.#waiting.length === 0 && before === this.#log.written && ended === this.#log.ended) return;
    this.wake();
  }
}
