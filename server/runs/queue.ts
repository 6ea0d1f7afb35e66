// Decides when runs may start: limits the active runs per call key and in total, and queues the others.

import { quote } from '../../calls/text/quote.ts';
import type { Limits } from '../../protocol/limits.ts';

/** At most `limit` runs with the same call key run at once, and `queue` more may wait. */
export interface CallKeyLimit {
  readonly key: string;
  readonly limit: number;
  readonly queue: number;
}

/** A run as the queue sees it. */
export interface QueuedRun {
  readonly keyLimit: CallKeyLimit | undefined;
  /** Called when the run may start. */
  start(): void;
  /** Called while the run waits. 1 is the next to start. */
  onPosition(position: number): void;
}

/**
 * Runs start in order of arrival. A run that waits for its call key does not block runs with other keys.
 *
 * Positions are reported at the end of the event-loop turn in which they changed. Near the front, every change is
 * reported. Further back, only changes by a tenth, because thousands may wait.
 */
export class RunQueue {
  readonly #limits: Pick<Limits, 'runsMax' | 'queuedMax'>;
  /** Waiting runs in order of arrival, each with the position that was reported last. */
  readonly #waiting = new Map<QueuedRun, number | undefined>();
  readonly #running = new Set<QueuedRun>();
  readonly #runningByKey = new Map<string, number>();
  #notification: NodeJS.Immediate | undefined;

  constructor(limits: Pick<Limits, 'runsMax' | 'queuedMax'>) {
    this.#limits = limits;
  }

  /** Returns the reason why a run with this limit cannot even wait; undefined if it can. */
  rejectionReason(call: string, keyLimit: CallKeyLimit | undefined): string | undefined {
    if (this.#canStart(keyLimit)) return undefined;
    const waitingWithKey =
      keyLimit === undefined || this.#hasKeyCapacity(keyLimit) ? 0 : this.#waitingWithKey(keyLimit.key);
    if (keyLimit !== undefined && !this.#hasKeyCapacity(keyLimit) && waitingWithKey >= keyLimit.queue) {
      const waiting = waitingWithKey === 0 ? '' : `, ${waitingWithKey} waiting`;
      return `too many runs of ${quote(call)} (${keyLimit.limit} running${waiting}); try again later`;
    }
    if (this.#waiting.size < this.#limits.queuedMax) return undefined;
    return `the gateway is busy (${this.#running.size} runs, ${this.#waiting.size} waiting); try again later`;
  }

  /** Starts the run now if there is capacity; otherwise it waits. Call `rejectionReason` first. */
  enqueue(queued: QueuedRun): void {
    if (this.#canStart(queued.keyLimit)) return this.#start(queued);
    this.#waiting.set(queued, undefined);
    this.#scheduleNotification();
  }

  /** Counts a run that an earlier gateway started, even beyond the limits. */
  addRunning(queued: QueuedRun): void {
    this.#markRunning(queued);
  }

  /** Removes a run that no longer waits or runs, and starts waiting runs. Idempotent. */
  remove(queued: QueuedRun): void {
    if (this.#waiting.delete(queued)) return this.#scheduleNotification();
    if (!this.#running.delete(queued)) return;
    const { keyLimit } = queued;
    if (keyLimit !== undefined) this.#setRunningCount(keyLimit.key, this.#runningWithKey(keyLimit.key) - 1);
    this.#startWaiting();
  }

  #startWaiting(): void {
    for (const queued of this.#waiting.keys()) {
      if (this.#isFull()) return;
      if (!this.#canStart(queued.keyLimit)) continue;
      this.#waiting.delete(queued);
      this.#start(queued);
      this.#scheduleNotification();
    }
  }

  #start(queued: QueuedRun): void {
    this.#markRunning(queued);
    queued.start();
  }

  #markRunning(queued: QueuedRun): void {
    this.#running.add(queued);
    if (queued.keyLimit !== undefined)
      this.#setRunningCount(queued.keyLimit.key, this.#runningWithKey(queued.keyLimit.key) + 1);
  }

  #isFull(): boolean {
    return this.#running.size >= this.#limits.runsMax;
  }

  #hasKeyCapacity({ key, limit }: CallKeyLimit): boolean {
    return this.#runningWithKey(key) < limit;
  }

  /** A run only waits while its key or the gateway is full, so a later run with the same key cannot overtake it. */
  #canStart(keyLimit: CallKeyLimit | undefined): boolean {
    return !this.#isFull() && (keyLimit === undefined || this.#hasKeyCapacity(keyLimit));
  }

  #runningWithKey(key: string): number {
    return this.#runningByKey.get(key) ?? 0;
  }

  #setRunningCount(key: string, count: number): void {
    if (count === 0) this.#runningByKey.delete(key);
    else this.#runningByKey.set(key, count);
  }

  #waitingWithKey(key: string): number {
    let count = 0;
    for (const { keyLimit } of this.#waiting.keys()) if (keyLimit?.key === key) count += 1;
    return count;
  }

  #scheduleNotification(): void {
    this.#notification ??= setImmediate(() => {
      this.#notification = undefined;
      this.#notifyPositions();
    });
  }

  /** While the gateway is full, positions count all waiting runs. Otherwise they count the runs with the same key. */
  #notifyPositions(): void {
    const full = this.#isFull();
    const ahead = new Map<string, number>();
    for (const [queued, reported] of this.#waiting) {
      const key = full || queued.keyLimit === undefined ? '' : queued.keyLimit.key;
      const position = (ahead.get(key) ?? 0) + 1;
      ahead.set(key, position);
      if (!shouldNotify(position, reported)) continue;
      this.#waiting.set(queued, position);
      queued.onPosition(position);
    }
  }
}

const nearFront = 20;

function shouldNotify(position: number, reported: number | undefined): boolean {
  if (reported === undefined || position === reported) return reported === undefined;
  return position <= nearFront || Math.abs(reported - position) >= reported / 10;
}
