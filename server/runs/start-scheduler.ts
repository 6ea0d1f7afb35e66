// Starts runs one per event-loop turn, and not before a burst of new clients is accepted.
//
// Spawning a process blocks for one or two milliseconds. Without the wait, hundreds of clients that connect at once
// would wait for each other's spawns.

/** Requests that come within this time of each other are a burst: the scheduler waits for the next one. */
const burstGapMs = 5;
/** Longest wait for more requests of a burst. */
const waitMsMax = 250;

interface PendingStart {
  readonly start: () => void;
  readonly sinceMs: number;
}

export class StartScheduler {
  readonly #waiting: PendingStart[] = [];
  #isScheduled = false;
  #lastMs = -Infinity;
  /** True if the last two requests came within `burstGapMs` of each other. */
  #isBurst = false;
  /** True if every event-loop turn since the last request was busy, so that more requests are likely. */
  #isBusy = false;

  /** Calls `start` soon, after earlier ones. `start` must not throw. */
  push(start: () => void): void {
    const now = performance.now();
    this.#isBurst = now - this.#lastMs < burstGapMs;
    this.#lastMs = now;
    this.#isBusy = true;
    this.#waiting.push({ start, sinceMs: now });
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#startNext());
  }

  #startNext(): void {
    if (this.#expectsMore(performance.now())) return this.#retryLater();
    const next = this.#waiting.shift();
    this.#isScheduled = this.#waiting.length > 0;
    if (this.#isScheduled) setImmediate(() => this.#startNext());
    next?.start();
  }

  /**
   * Tries again after `burstGapMs`, when the event loop has handled everything that arrived. A pause without requests
   * ends the burst only if the event loop was idle.
   */
  #retryLater(): void {
    setTimeout(() => {
      const before = performance.now();
      setImmediate(() => {
        this.#isBusy = performance.now() - before > burstGapMs;
        this.#startNext();
      });
    }, burstGapMs);
  }

  #expectsMore(now: number): boolean {
    const [first] = this.#waiting;
    return (
      this.#isBurst &&
      (this.#isBusy || now - this.#lastMs < burstGapMs) &&
      first !== undefined &&
      now - first.sinceMs < waitMsMax
    );
  }
}
