// Maps a stream of items and works on the next ones ahead of time, so that disk accesses overlap.

/**
 * Yields the results of `work` in the order of `source`. At most `width` results are in progress or waiting to be read.
 * Throws the errors of `source` and `work`.
 */
export async function* mapAhead<T, R>(
  source: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const started: Promise<R>[] = [];
  for await (const item of source) {
    const result = work(item);
    // The loop below awaits this result and handles its error, if the consumer reads that far.
    result.catch(() => {});
    started.push(result);
    if (started.length >= width) yield await started.shift()!;
  }
  for (const result of started) yield await result;
}
