// Waiting for something that announces itself to nobody: it is looked at again and again, until a deadline.

/** Throws with `what` when it is not so within `ms`. */
export async function until(what: string, is: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const over = performance.now() + ms;
  while (!(await is())) {
    if (performance.now() > over) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The value of `promise`; throws with `what` when it takes longer than `ms`. */
export async function soon<T>(what: string, promise: Promise<T>, ms = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
