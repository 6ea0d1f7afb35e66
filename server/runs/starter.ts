// Starts work one at a time, one in a turn of the event loop: spawning a process holds everybody up for a millisecond or two, and five hundred
// clients that connect at once are all to be heard before their work begins.

/** Calls that come closer together than this are many at once: the next one is waited for … */
const lullMs = 5;
/** … but nobody waits longer than this for others to be heard. */
const waitMsMax = 250;

interface Waiting {
  readonly start: () => void;
  readonly sinceMs: number;
}

export class Starter {
  readonly #waiting: Waiting[] = [];
  #isComing = false;
  #lastMs = -Infinity;
  /** The last two came close together. */
  #isBurst = false;
  /** Since the last one came, there was no turn of the event loop yet with little to be read and answered: others are likely to be on their way. */
  #isBusy = false;

  /** `start` is called soon, after those that came before. It must not throw. */
  push(start: () => void): void {
    const now = performance.now();
    this.#isBurst = now - this.#lastMs < lullMs;
    this.#lastMs = now;
    this.#isBusy = true;
    this.#waiting.push({ start, sinceMs: now });
    if (this.#isComing) return;
    this.#isComing = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    if (this.#expectsMore(performance.now())) return this.#turnLater();
    const next = this.#waiting.shift();
    this.#isComing = this.#waiting.length > 0;
    if (this.#isComing) setImmediate(() => this.#turn());
    next?.start();
  }

  /** Behind all that can be read by then: a lull counts only when nothing else has taken the time. */
  #turnLater(): void {
    setTimeout(() => {
      const before = performance.now();
      setImmediate(() => {
        this.#isBusy = performance.now() - before > lullMs;
        this.#turn();
      });
    }, lullMs);
  }

  #expectsMore(now: number): boolean {
    const [first] = this.#waiting;
    return this.#isBurst && (this.#isBusy || now - this.#lastMs < lullMs) && first !== undefined && now - first.sinceMs < waitMsMax;
  }
}
