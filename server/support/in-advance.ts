// Work on what comes, begun before it is its turn: each piece waits for the disk, but not for the one before.

/** What `work` makes of each, in their order; at most `width` are under way or waiting to be asked for. Throws what the source or a work throws. */
export async function* inAdvance<T, R>(source: AsyncIterable<T>, width: number, work: (one: T) => Promise<R>): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for await (const one of source) {
    const made = work(one);
    // Heard of when it is its turn, if that ever comes.
    made.catch(() => {});
    begun.push(made);
    if (begun.length >= width) yield await begun.shift()!;
  }
  for (const made of begun) yield await made;
}
