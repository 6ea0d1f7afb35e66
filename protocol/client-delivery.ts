// What arrived on its way to whoever listens: in order, one at a time, no faster than it is taken, and the result last.

import type { CallResult, Item } from './client-types.ts';

export type Listener = (item: Item) => void | Promise<void>;

export interface DeliveryParts {
  readonly unreadBytesMax?: number | undefined;
  /** More waits than may, or no longer. */
  readonly onFlow: (paused: boolean) => void;
  /** The listener threw; it hears nothing any more. */
  readonly onFailed: (error: unknown) => void;
  /** Everything before it was handed over. */
  readonly onResult: (result: CallResult) => void;
}

const unreadBytesMax = 32 << 20;

/** What an item takes beside its text: the objects that hold it. */
const itemBytes = 100;

type Arrival = { readonly item: Item } | { readonly result: CallResult };

export class Delivery {
  readonly #parts: DeliveryParts;
  #listener: Listener | undefined;
  #arrivals: Arrival[] = [];
  #delivering = false;
  #unread = 0;
  #paused = false;

  constructor(parts: DeliveryParts, listener: Listener | undefined) {
    this.#parts = parts;
    this.#listener = listener;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Throws when somebody listens already. Undefined: nobody does any more. */
  listen(listener: Listener | undefined): void {
    if (listener !== undefined && this.#listener !== undefined) throw new Error('the items of this call have a listener already');
    this.#listener = listener;
  }

  put(item: Item): void {
    this.#count(sizeOf(item));
    this.#arrive({ item });
  }

  finish(result: CallResult): void {
    this.#arrive({ result });
  }

  #arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    if (!this.#delivering) void this.#deliver();
  }

  async #deliver(): Promise<void> {
    this.#delivering = true;
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      for (const arrival of batch) {
        if ('result' in arrival) return this.#parts.onResult(arrival.result);
        const wait = this.#hand(arrival.item);
        if (wait !== undefined) await wait.catch((error: unknown) => this.#failed(error));
        this.#count(-sizeOf(arrival.item));
      }
    }
    this.#delivering = false;
  }

  #take(): Arrival[] {
    const batch = this.#arrivals;
    this.#arrivals = [];
    return batch;
  }

  #hand(item: Item): void | Promise<void> {
    try {
      return this.#listener?.(item);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#listener = undefined;
    this.#parts.onFailed(error);
  }

  /** So many bytes more, or less, wait for the listener. */
  #count(bytes: number): void {
    const { unreadBytesMax: max = unreadBytesMax } = this.#parts;
    this.#unread += bytes;
    const paused = this.#paused ? this.#unread > max / 2 : this.#unread > max;
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#parts.onFlow(paused);
  }
}

function sizeOf(item: Item): number {
  if ('line' in item) return itemBytes + item.line.length;
  return 'chunk' in item ? itemBytes + item.chunk.length : 0;
}
