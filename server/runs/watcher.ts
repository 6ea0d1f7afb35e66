// A watcher: a cursor that moves through a log as fast as its outlet takes, from memory near the end and from the files behind that.

import type { GapReason } from '../../protocol/messages.ts';
import { bytesOf, framesOf, type BytesItem, type GapItem, type Told } from './log/item.ts';
import type { WatchedLog } from './log/watched.ts';
import type { Shape } from './log/page.ts';
import { beginning, type Position } from './log/position.ts';

/** Where a watcher brings what it passes. */
export interface Outlet {
  /** Takes whole websocket text frames. `done`: it does not need the bytes any more, and they may be overwritten. */
  frames(frames: Buffer): 'done' | void;
  /** Takes an event's JSON text. */
  event(json: Uint8Array): void;
  /** Takes what was asked for and is gone: numbers of lines, of a terminal's raw bytes, counted from 1, both ends included. */
  gap?(from: number, to: number, reason: GapReason): void;
  /** True while it should not be given more; it calls `wake()` of the watcher when that is over. */
  readonly full: boolean;
}

/** An outlet that makes something of its own of the bytes. For shape `raw` only. */
export interface BytesOutlet extends Omit<Outlet, 'frames'> {
  /** Takes bytes as the log has them, in pieces that are not its own: they may be overwritten when it returns. */
  pieces(pieces: readonly Uint8Array[]): void;
}

export interface WatcherOptions {
  /** How the outlet wants the log: a terminal's bytes as they are, or lines. */
  readonly shape: Shape;
  readonly from?: Position;
  /** Called when the outlet has everything of an ended log. Nothing is called after it. */
  readonly onEnd: () => void;
  /** Called when the files cannot be read, or the outlet has thrown. Nothing is called after it. */
  readonly onError: (error: unknown) => void;
}

export class Watcher {
  position: Position;
  readonly #log: WatchedLog;
  readonly #outlet: Outlet | BytesOutlet;
  readonly #options: WatcherOptions;
  readonly #unwatch: () => void;
  /** Number of the next item in the log's tail, while the watcher is there. */
  #next: number | undefined;
  #reading = false;
  #stopped = false;
  #waiting: readonly Told[] = [];

  constructor(log: WatchedLog, outlet: Outlet | BytesOutlet, options: WatcherOptions) {
    this.#log = log;
    this.#outlet = outlet;
    this.#options = options;
    this.position = options.from ?? beginning;
    this.#unwatch = log.watch(() => this.wake());
  }

  /** Goes on, if it can. Cheap when there is nothing to do; safe at any time; never throws. */
  wake(): void {
    try {
      this.#goOn();
    } catch (error) {
      // Whoever writes to the log, and the other watchers, have nothing to do with this.
      this.#fail(error);
    }
  }

  /** Nothing more reaches the outlet. Safe twice. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#unwatch();
  }

  #goOn(): void {
    while (!this.#stopped && !this.#reading && !this.#outlet.full) {
      const item = this.#waiting[0] ?? this.#fromTail();
      if (item === undefined) return this.#behindTail();
      if (this.#waiting.length > 0) this.#waiting = this.#waiting.slice(1);
      this.#deliver(item);
    }
  }

  #deliver(item: Told): void {
    this.position = item.end;
    if (this.#next !== undefined) this.#next++;
    switch (item.type) {
      case 'event': return this.#outlet.event(item.json);
      case 'gap': return this.#tellGap(item);
      default: return this.#pass(item);
    }
  }

  #pass(item: BytesItem): void {
    if ('pieces' in this.#outlet) this.#outlet.pieces(bytesOf(item));
    else if (this.#outlet.frames(framesOf(item)) !== 'done') item.kept = true;
  }

  /** Where only events are gone, nothing is missing that could be counted. */
  #tellGap({ start, end, reason }: GapItem): void {
    const unit = this.#options.shape === 'raw' ? 'byte' : 'line';
    if (end[unit] > start[unit]) this.#outlet.gap?.(start[unit] + 1, end[unit], reason);
  }

  #fromTail(): Told | undefined {
    // A terminal's lines are not in the tail, which holds its chunks.
    if (this.#options.shape !== this.#log.shape) return undefined;
    this.#next ??= this.#log.tail.find(this.position);
    return this.#next === undefined ? undefined : this.#log.tail.get(this.#next);
  }

  /** Nothing for us in memory: read the files, or wait, or be done. */
  #behindTail(): void {
    if (this.#log.hasAfter(this.position, this.#options.shape)) {
      this.#next = undefined;
      this.#read().catch((error: unknown) => this.#fail(error));
    } else if (this.#log.ended) {
      this.stop();
      this.#options.onEnd();
    }
  }

  async #read(): Promise<void> {
    this.#reading = true;
    const { written, ended } = this.#log;
    try {
      this.#waiting = await this.#log.page(this.position, this.#options.shape);
    } finally {
      this.#reading = false;
    }
    if (this.#stopped) this.#waiting = [];
    if (this.#waiting.length > 0 || written !== this.#log.written || ended !== this.#log.ended) return this.wake();
    // Otherwise no line is whole yet: more is to come. But not when the log is complete.
    if (ended) throw new Error('the files of the log hold less than was written');
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onError(error);
  }
}
