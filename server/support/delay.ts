// A delay that a signal can cut short.

export interface DelayOptions {
  /** Aborted to end the delay early. */
  readonly signal?: AbortSignal | undefined;
  /** True if the gateway process may exit during the delay. */
  readonly unref?: boolean;
}

/** Resolves after `ms`, or as soon as `signal` is aborted. Never rejects. */
export async function delay(ms: number, { signal, unref = false }: DelayOptions = {}): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (unref) timer.unref();
    signal?.addEventListener('abort', done, { once: true });
  });
}
