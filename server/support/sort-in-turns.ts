// Sorts long lists without delaying anything else: 100 000 names would occupy the event loop for half a second.

import { setImmediate as nextTurn } from 'node:timers/promises';

const itemsPerTurn = 1_000;

/**
 * Returns the items in order. Equal items keep their order. A short list is sorted without yielding to the event loop.
 */
export async function sortInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<readonly T[]> {
  let sorted: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += itemsPerTurn) {
    if (at > 0) await nextTurn();
    sorted.push(items.slice(at, at + itemsPerTurn).sort(compare));
  }
  while (sorted.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let at = 0; at < sorted.length; at += 2) merged.push(await merge(sorted[at]!, sorted[at + 1] ?? [], compare));
    sorted = merged;
  }
  return sorted[0] ?? [];
}

async function merge<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
): Promise<readonly T[]> {
  if (right.length === 0) return left;
  const merged: T[] = [];
  for (let l = 0, r = 0; merged.length < left.length + right.length; ) {
    const isLeft = r === right.length || (l < left.length && compare(left[l]!, right[r]!) <= 0);
    merged.push(isLeft ? left[l++]! : right[r++]!);
    if (merged.length % itemsPerTurn === 0) await nextTurn();
  }
  return merged;
}
