// Ctrl-C and its kin, counted as the person meant them.

/**
 * npm and npx forward the signals they get, so under them one Ctrl-C arrives twice: from the terminal, and from npm a moment later.
 * What comes this soon after another one is the same keystroke.
 */
export const sameKeystrokeMs = 100;

/** Tells `listener` how many there were, from 1. Returns what ends the listening. */
export function onInterrupts(signals: readonly NodeJS.Signals[], listener: (count: number) => void): () => void {
  let count = 0;
  let last = -Infinity;
  const onSignal = (): void => {
    const now = performance.now();
    if (now - last < sameKeystrokeMs) return;
    last = now;
    count += 1;
    listener(count);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}
