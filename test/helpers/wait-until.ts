// Polls a condition, or limits the time of a promise.

/** Resolves when the condition is true. Rejects with `what` if that takes longer than `ms`. */
export async function waitUntil(what: string, condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Returns the value of `promise`. Rejects with `what` after `ms`. */
export async function withDeadline<T>(what: string, promise: Promise<T>, ms = 30_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** A grace longer than any test may take: a release that waits until this grace is over fails the test. */
export const endlessGraceMs = 600_000;
