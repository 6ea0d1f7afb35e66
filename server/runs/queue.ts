// Which runs may run now, and which wait: for a place of their own kind, or for one of the gateway's.

import { quote } from '../../calls/contract/quote.ts';
import type { Limits } from '../../protocol/limits.ts';

/** Runs with the same key: at most `limit` at once, and `queue` more may wait. */
export interface Slot {
  readonly key: string;
  readonly limit: number;
  readonly queue: number;
}

/** What may have to wait. */
export interface Queued {
  readonly slot: Slot | undefined;
  /** There is room for it now. */
  go(): void;
  /** It waits, and is the `position`th to go, counted from 1. */
  wait(position: number): void;
}

/**
 * First come, first served, for each key and over all; one that waits for a place of its own key holds up nobody else. Positions are told at the end of
 * the turn of the event loop in which they changed: near the front each of them, further back every tenth part of the way, for thousands may wait.
 */
export class RunQueue {
  readonly #limits: Pick<Limits, 'runsMax' | 'queuedMax'>;
  /** In the order they came, with the position each was told last. */
  readonly #waiting = new Map<Queued, number | undefined>();
  readonly #going = new Set<Queued>();
  readonly #goingByKey = new Map<string, number>();
  #telling: NodeJS.Immediate | undefined;

  constructor(limits: Pick<Limits, 'runsMax' | 'queuedMax'>) {
    this.#limits = limits;
  }

  /** Why one with this slot cannot even wait; undefined when it can. */
  refusal(call: string, slot: Slot | undefined): string | undefined {
    if (this.#hasRoom(slot)) return undefined;
    const alike = slot === undefined || this.#hasPlace(slot) ? 0 : this.#count(slot.key);
    if (slot !== undefined && !this.#hasPlace(slot) && alike >= slot.queue) {
      const waiting = alike === 0 ? '' : `, ${alike} waiting`;
      return `there are as many runs of ${quote(call)} as may be at once (${slot.limit} running${waiting}); try again later`;
    }
    if (this.#waiting.size < this.#limits.queuedMax) return undefined;
    return `the gateway is busy (${this.#going.size} runs, ${this.#waiting.size} waiting); try again later`;
  }

  /** To be asked after `refusal`. Lets it go at once when there is room. */
  enter(queued: Queued): void {
    if (this.#hasRoom(queued.slot)) return this.#let(queued);
    this.#waiting.set(queued, undefined);
    this.#tellSoon();
  }

  /** It goes already, whether there is room or not: an earlier gateway let it. */
  resume(queued: Queued): void {
    this.#take(queued);
  }

  /** It waits no more, or is over; others may go. Safe twice. */
  leave(queued: Queued): void {
    if (this.#waiting.delete(queued)) return this.#tellSoon();
    if (!this.#going.delete(queued)) return;
    const { slot } = queued;
    if (slot !== undefined) this.#setGoing(slot.key, this.#goingWith(slot.key) - 1);
    this.#letOthers();
  }

  #letOthers(): void {
    for (const queued of this.#waiting.keys()) {
      if (this.#isFull()) return;
      if (!this.#hasRoom(queued.slot)) continue;
      this.#waiting.delete(queued);
      this.#let(queued);
      this.#tellSoon();
    }
  }

  #let(queued: Queued): void {
    this.#take(queued);
    queued.go();
  }

  #take(queued: Queued): void {
    this.#going.add(queued);
    if (queued.slot !== undefined) this.#setGoing(queued.slot.key, this.#goingWith(queued.slot.key) + 1);
  }

  #isFull(): boolean {
    return this.#going.size >= this.#limits.runsMax;
  }

  #hasPlace({ key, limit }: Slot): boolean {
    return this.#goingWith(key) < limit;
  }

  /** Who waits has no room, so nobody who comes later is let past one of its own key. */
  #hasRoom(slot: Slot | undefined): boolean {
    return !this.#isFull() && (slot === undefined || this.#hasPlace(slot));
  }

  #goingWith(key: string): number {
    return this.#goingByKey.get(key) ?? 0;
  }

  #setGoing(key: string, count: number): void {
    if (count === 0) this.#goingByKey.delete(key); else this.#goingByKey.set(key, count);
  }

  #count(key: string): number {
    let count = 0;
    for (const { slot } of this.#waiting.keys()) if (slot?.key === key) count += 1;
    return count;
  }

  #tellSoon(): void {
    this.#telling ??= setImmediate(() => {
      this.#telling = undefined;
      this.#tell();
    });
  }

  /** While the gateway is full all wait for the same; otherwise each waits for those of its key. */
  #tell(): void {
    const full = this.#isFull();
    const ahead = new Map<string, number>();
    for (const [queued, told] of this.#waiting) {
      const key = full || queued.slot === undefined ? '' : queued.slot.key;
      const position = (ahead.get(key) ?? 0) + 1;
      ahead.set(key, position);
      if (!isNews(position, told)) continue;
      this.#waiting.set(queued, position);
      queued.wait(position);
    }
  }
}

const nearFront = 20;

function isNews(position: number, told: number | undefined): boolean {
  if (told === undefined || position === told) return told === undefined;
  return position <= nearFront || Math.abs(told - position) >= told / 10;
}
