// Ends the wait for a promise when a signal is aborted: resolves with the value of the promise, or with the result of
// `onAbort`. The work behind the promise continues.

import { setMaxListeners } from 'node:events';

export async function untilAborted<T, L>(
  signal: AbortSignal,
  promise: Promise<T>,
  onAbort: () => L | Promise<L>,
): Promise<T | L> {
  let wake = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    wake = resolve;
  });
  // Disable Node's warning about many listeners, because a run may wait for many things at once.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', wake, { once: true });
  if (signal.aborted) wake();
  try {
    return await Promise.race([promise, aborted.then(onAbort)]);
  } finally {
    signal.removeEventListener('abort', wake);
  }
}
