// The newest part of a log in memory: what watchers at the end share, and what the disk is owed.

import type { BytesItem, Item } from './item.ts';
import { giveBack } from './pool.ts';
import { beginning, compare, type Position } from './position.ts';

/** A run that prints single lines slowly has small items; their number is bounded too. */
const itemsMax = 8192;

/**
 * Items are numbered from 0 for ever; a watcher keeps a number, never an item, so that a slow one keeps nothing alive.
 * An item stays while the disk is owed it, and after that while it has frames (or is an event) and the tail is within its bound.
 */
export class Tail {
  readonly #bytesMax: number;
  #items: (Item | undefined)[] = [];
  /** Number of `#items[#head]`. */
  #first = 0;
  #head = 0;
  /** Of settled items: their frames, and the text of events. */
  #heldBytes = 0;
  #settled = beginning;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** Undefined when the item is not in memory (any more): read the file. */
  get(number: number): Item | undefined {
    if (number < this.#first) return undefined;
    const item = this.#items[number - this.#first + this.#head];
    return item === undefined || isGone(item) ? undefined : item;
  }

  /** Number of the item that starts at `position`; undefined when none does. */
  find(position: Position): number | undefined {
    let low = this.#head;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#items[middle]!.start, position) < 0) low = middle + 1;
      else high = middle;
    }
    const item = this.#items[low];
    return item !== undefined && compare(item.start, position) === 0 ? low - this.#head + this.#first : undefined;
  }

  /** Where the tail starts; undefined when it is empty. */
  get start(): Position | undefined {
    return this.#items[this.#head]?.start;
  }

  /** The disk has everything before `written`: its bytes are let go, frames stay within the bound. What has neither is read from the file. */
  settle(written: Position): void {
    for (let i = this.#unsettled(); i < this.#items.length; i++) {
      const item = this.#items[i]!;
      if (compare(item.end, written) > 0) break;
      if (item.type !== 'event') letGoOfPieces(item);
      this.#heldBytes += heldBytes(item);
    }
    this.#settled = written;
    this.#trim();
  }

  /** The disk will never have what comes after `position`: nobody else is to see it. */
  cutBack(position: Position): void {
    while (this.#items.length > this.#head && compare(this.#items.at(-1)!.end, position) > 0) this.#items.pop();
    this.settle(position);
  }

  #unsettled(): number {
    let i = this.#items.length;
    while (i > this.#head && compare(this.#items[i - 1]!.end, this.#settled) > 0) i--;
    return i;
  }

  #trim(): void {
    for (let item = this.#items[this.#head]; item !== undefined; item = this.#items[this.#head]) {
      if (compare(item.end, this.#settled) > 0) break;
      if (!isGone(item) && this.#heldBytes <= this.#bytesMax && this.#items.length - this.#head <= itemsMax) break;
      this.#heldBytes -= heldBytes(item);
      if (item.type !== 'event') letGoOfFrames(item);
      this.#items[this.#head++] = undefined;
      this.#first++;
    }
    if (this.#head < 1024) return;
    this.#items.splice(0, this.#head);
    this.#head = 0;
  }
}

function letGoOfPieces(item: BytesItem): void {
  for (const piece of item.pieces) giveBack(piece);
  item.pieces = [];
}

function letGoOfFrames(item: BytesItem): void {
  if (item.frames !== undefined && item.kept !== true) giveBack(item.frames);
  delete item.frames;
}

function heldBytes(item: Item): number {
  return item.type === 'event' ? item.json.length : item.frames?.length ?? 0;
}

function isGone(item: Item): boolean {
  return item.type !== 'event' && item.pieces.length === 0 && item.frames === undefined;
}
