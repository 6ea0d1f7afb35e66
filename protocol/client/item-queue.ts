// Delivers items to the listener in order, one at a time, with back-pressure, and the result last.

import type { ClientResult, Item } from './types.ts';

export type ItemListener = (item: Item) => void | Promise<void>;

export interface ItemQueueOptions {
  readonly unreadBytesMax?: number | undefined;
  /**
   * Called with true when the unread bytes exceed `unreadBytesMax`, and with false when they fall below half of that
   * limit.
   */
  readonly onPauseChange: (paused: boolean) => void;
  /** Called when the listener throws or rejects. The listener receives nothing more. */
  readonly onListenerError: (error: unknown) => void;
  /** Called when every earlier item was delivered. */
  readonly onResult: (result: ClientResult) => void;
}

const unreadBytesMax = 32 << 20;

/** Estimated memory of an item, apart from its text. */
const itemOverheadBytes = 100;

type QueueEntry = { readonly item: Item } | { readonly result: ClientResult };

export class ItemQueue {
  readonly #options: ItemQueueOptions;
  #listener: ItemListener | undefined;
  #entries: QueueEntry[] = [];
  #delivering = false;
  #unreadBytes = 0;
  #paused = false;

  constructor(options: ItemQueueOptions, listener: ItemListener | undefined) {
    this.#options = options;
    this.#listener = listener;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Sets the listener, or removes it with undefined. Throws if another listener is set. */
  listen(listener: ItemListener | undefined): void {
    if (listener !== undefined && this.#listener !== undefined)
      throw new Error('cannot listen: this call already has a listener for its items');
    this.#listener = listener;
  }

  push(item: Item): void {
    this.#addUnread(itemSize(item));
    this.#enqueue({ item });
  }

  end(result: ClientResult): void {
    this.#enqueue({ result });
  }

  #enqueue(arrival: QueueEntry): void {
    this.#entries.push(arrival);
    if (!this.#delivering) void this.#deliver();
  }

  async #deliver(): Promise<void> {
    this.#delivering = true;
    for (let batch = this.#takeEntries(); batch.length > 0; batch = this.#takeEntries()) {
      for (const arrival of batch) {
        if ('result' in arrival) return this.#options.onResult(arrival.result);
        const wait = this.#notifyListener(arrival.item);
        if (wait !== undefined) await wait.catch((error: unknown) => this.#onListenerError(error));
        this.#addUnread(-itemSize(arrival.item));
      }
    }
    this.#delivering = false;
  }

  #takeEntries(): QueueEntry[] {
    const batch = this.#entries;
    this.#entries = [];
    return batch;
  }

  #notifyListener(item: Item): void | Promise<void> {
    try {
      return this.#listener?.(item);
    } catch (error) {
      this.#onListenerError(error);
    }
  }

  #onListenerError(error: unknown): void {
    this.#listener = undefined;
    this.#options.onListenerError(error);
  }

  /** Adds `bytes`, which may be negative, to the number of unread bytes. */
  #addUnread(bytes: number): void {
    const { unreadBytesMax: max = unreadBytesMax } = this.#options;
    this.#unreadBytes += bytes;
    const paused = this.#paused ? this.#unreadBytes > max / 2 : this.#unreadBytes > max;
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#options.onPauseChange(paused);
  }
}

function itemSize(item: Item): number {
  if ('line' in item) return itemOverheadBytes + item.line.length;
  if ('bytes' in item) return itemOverheadBytes + item.bytes.length;
  return 'chunk' in item ? itemOverheadBytes + item.chunk.length : 0;
}
