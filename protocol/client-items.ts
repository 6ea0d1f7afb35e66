// The items of a call as an asynchronous iterator: a listener whose promise is kept when the next item is asked for.

import type { Delivery } from './client-delivery.ts';
import type { Item } from './client-types.ts';

/** Listens to `delivery` until `over` settles or it is left. Throws when somebody listens already. */
export function itemsOf(delivery: Pick<Delivery, 'listen'>, over: Promise<unknown>): AsyncIterator<Item, undefined> {
  /** The item that waits to be taken, and whoever waits for an item: never both. */
  let offered: { readonly item: Item; readonly taken: () => void } | undefined;
  let asking: ((result: IteratorResult<Item, undefined>) => void)[] = [];
  let done = false;
  const finish = (): void => {
    done = true;
    for (const answer of asking) answer({ done: true, value: undefined });
    asking = [];
  };
  delivery.listen((item) => {
    const answer = asking.shift();
    if (answer !== undefined) return answer({ done: false, value: item });
    return new Promise<void>((taken) => { offered = { item, taken }; });
  });
  over.then(finish, finish);
  return {
    next() {
      const now = offered;
      offered = undefined;
      now?.taken();
      if (now !== undefined) return Promise.resolve({ done: false, value: now.item });
      if (done) return Promise.resolve({ done, value: undefined });
      return new Promise((resolve) => asking.push(resolve));
    },
    return() {
      delivery.listen(undefined);
      offered?.taken();
      offered = undefined;
      finish();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
