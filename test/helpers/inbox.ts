// What arrives, one after another, for a reader that asks when it is ready.

export interface Inbox<T> {
  put(value: T): void;
  /** Nothing more will come; those who ask get undefined. */
  end(): void;
  get(): Promise<T | undefined>;
  readonly size: number;
}

export function inbox<T>(): Inbox<T> {
  const values: T[] = [];
  const takers: ((value: T | undefined) => void)[] = [];
  let ended = false;
  return {
    put(value) {
      const taker = takers.shift();
      if (taker === undefined) values.push(value); else taker(value);
    },
    end() {
      ended = true;
      for (const taker of takers.splice(0)) taker(undefined);
    },
    get: () => new Promise((resolve) => {
      if (values.length > 0) resolve(values.shift());
      else if (ended) resolve(undefined);
      else takers.push(resolve);
    }),
    get size() { return values.length; },
  };
}
