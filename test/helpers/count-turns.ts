// Counts the turns of the event loop during an operation, to test that the operation yields to the event loop.

/** Returns how many turns the event loop took until the work was done. Causes no turn itself. */
export async function countTurns(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    counting = setImmediate(count).unref();
  };
  let counting = setImmediate(count).unref();
  try {
    await work();
    return turns;
  } finally {
    clearImmediate(counting);
  }
}
