// Counts Ctrl-C and other signals, without duplicates.

/**
 * npm and npx forward signals, so one Ctrl-C arrives twice: from the terminal, and from npm a moment later. Signals
 * within this time count as one.
 */
export const sameKeystrokeMs = 100;

/** Calls `listener` with the number of signals so far, starting at 1. Returns a function that stops listening. */
export function onInterrupts(signals: readonly NodeJS.Signals[], listener: (count: number) => void): () => void {
  let count = 0;
  let last = -Infinity;
  const countSignal = (): void => {
    const now = performance.now();
    if (now - last < sameKeystrokeMs) return;
    last = now;
    count += 1;
    listener(count);
  };
  for (const signal of signals) process.on(signal, countSignal);
  return () => {
    for (const signal of signals) process.off(signal, countSignal);
  };
}
