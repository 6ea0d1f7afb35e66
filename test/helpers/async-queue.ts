// A queue with an asynchronous reader.

export interface AsyncQueue<T> {
  push(value: T): void;
  /** Ends the queue: after the remaining values, reads return undefined. */
  end(): void;
  next(): Promise<T | undefined>;
  readonly size: number;
}

export function createAsyncQueue<T>(): AsyncQueue<T> {
  const values: T[] = [];
  const waiting: ((value: T | undefined) => void)[] = [];
  let ended = false;
  return {
    push(value) {
      const reader = waiting.shift();
      if (reader === undefined) values.push(value);
      else reader(value);
    },
    end() {
      ended = true;
      for (const reader of waiting.splice(0)) reader(undefined);
    },
    next: () =>
      new Promise((resolve) => {
        if (values.length > 0) resolve(values.shift());
        else if (ended) resolve(undefined);
        else waiting.push(resolve);
      }),
    get size() {
      return values.length;
    },
  };
}
