// Turns the items of a call into an async iterator. The queue's listener resolves only when `next()` takes the item, so
// a slow loop applies back-pressure.

import type { ItemQueue } from './item-queue.ts';
import type { Item } from './types.ts';

/** Iterates over `queue` until `ended` settles or the loop is left. Throws if the queue already has a listener. */
export function iterateItems(
  queue: Pick<ItemQueue, 'listen'>,
  ended: Promise<unknown>,
): AsyncIterator<Item, undefined> {
  /** The item that no `next()` has taken yet. While it is set, `pendingNexts` is empty. */
  let offered: { readonly item: Item; readonly taken: () => void } | undefined;
  let pendingNexts: ((result: IteratorResult<Item, undefined>) => void)[] = [];
  let done = false;
  const finish = (): void => {
    done = true;
    for (const resolveNext of pendingNexts) resolveNext({ done: true, value: undefined });
    pendingNexts = [];
  };
  queue.listen((item) => {
    const resolve = pendingNexts.shift();
    if (resolve !== undefined) return resolve({ done: false, value: item });
    return new Promise<void>((taken) => {
      offered = { item, taken };
    });
  });
  ended.then(finish, finish);
  return {
    next() {
      const current = offered;
      offered = undefined;
      current?.taken();
      if (current !== undefined) return Promise.resolve({ done: false, value: current.item });
      if (done) return Promise.resolve({ done, value: undefined });
      return new Promise((resolve) => pendingNexts.push(resolve));
    },
    return() {
      queue.listen(undefined);
      offered?.taken();
      offered = undefined;
      finish();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
