// Work that is done a few at a time: the others wait, in the order they came.

/** Gives a function that does the work handed to it as soon as fewer than `atOnce` others are under way. */
export function takingTurns(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let busy = 0;
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) busy--;
    else next();
  };
  return async (work) => {
    if (busy >= atOnce) await new Promise<void>((resolve) => { waiting.push(resolve); });
    else busy++;
    try {
      return await work();
    } finally {
      leave();
    }
  };
}
