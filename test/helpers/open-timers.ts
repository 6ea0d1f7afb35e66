// Remembers where each timer was started, so that a hung test run can name the timers that keep it running.

type SetTimer = typeof setTimeout;

const origins = new Map<NodeJS.Timeout, Error>();
/** Ended timers are removed when the list has doubled since the last removal, but not while it is shorter than this. */
const pruneMin = 1_000;
let pruneAt = pruneMin;

/** Replaces the global functions that start timers. Call it once, before any other module starts a timer. */
export function rememberTimers(): void {
  globalThis.setTimeout = remembering(globalThis.setTimeout);
  globalThis.setInterval = remembering(globalThis.setInterval as SetTimer) as typeof setInterval;
}

/** Returns where the timers were started that keep the process running. */
export function describeOpenTimers(): readonly string[] {
  prune();
  return [...origins]
    .filter(([timer]) => timer.hasRef())
    .map(
      ([, { stack = '' }]) => `timer started ${stack.split('\n').slice(1, 6).join('').replaceAll(/ +/g, ' ').trim()}`,
    );
}

function remembering(start: SetTimer): SetTimer {
  const replacement = (...args: Parameters<SetTimer>): NodeJS.Timeout => {
    const timer = start(...args);
    const origin = new Error('the start of a timer');
    Error.captureStackTrace(origin, replacement);
    origins.set(timer, origin);
    if (origins.size >= pruneAt) prune();
    return timer;
  };
  return Object.assign(replacement, start) as SetTimer;
}

function prune(): void {
  // Node sets the property when a timer has fired or was cleared; it has no public equivalent.
  for (const timer of origins.keys())
    if ((timer as unknown as { readonly _destroyed: boolean })._destroyed) origins.delete(timer);
  pruneAt = Math.max(pruneMin, 2 * origins.size);
}
