// Tries again to release what ended runs have left, for example containers of an engine that did not answer, and
// completes their receipts. Also completes the receipt of a run whose code returns late.

import type { Receipt, Released, RunRecord } from '../../../protocol/run-record.ts';
import type { LateWork } from '../run.ts';
import { type ReconcileDeps, releaseObligations } from './reconcile.ts';

export type LeftoversDeps = Pick<ReconcileDeps, 'store' | 'releasers' | 'limits' | 'log'>;

const firstDelayMs = 500;
const delayMsMax = 8_000;

export class Leftovers {
  readonly #deps: LeftoversDeps;
  /** Runs with open obligations, or with an entry in `#unrecorded`. */
  readonly #runs = new Set<string>();
  /** Present for runs that have ended in this process. */
  readonly #lateWork = new Map<string, LateWork>();
  /** Receipt lines of what was released, until the store has accepted them. */
  readonly #unrecorded = new Map<string, readonly Released[]>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #delayMs = firstDelayMs;
  #retrying: Promise<void> | undefined;

  constructor(deps: LeftoversDeps) {
    this.#deps = deps;
  }

  /** Adds all runs with open obligations that have ended, or whose record no longer exists. */
  addStored(): void {
    const { store } = this.#deps;
    for (const run of store.runsWithObligations())
      if ((store.get(run)?.state ?? 'ended') === 'ended') this.#enqueue(run);
  }

  /** Adds a run of this process whose final record is stored, if its receipt names something that is left. */
  add({ id, state, cleanup }: RunRecord, lateWork: LateWork): void {
    if (state !== 'ended' || cleanup?.clean !== false) return;
    this.#lateWork.set(id, lateWork);
    this.#enqueue(id);
    void lateWork.abandonedBody?.then((line) => {
      this.#addReleased(id, [line]);
      this.#enqueue(id);
    });
  }

  #addReleased(run: string, released: readonly Released[]): void {
    this.#unrecorded.set(run, [...(this.#unrecorded.get(run) ?? []), ...released]);
  }

  #enqueue(run: string): void {
    this.#runs.add(run);
    this.#delayMs = firstDelayMs;
    this.#schedule();
  }

  /** Ends the retries. Resolves when none is in progress. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await this.#retrying;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#runs.size === 0 || this.#retrying !== undefined || this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#retrying = this.#retryAll().finally(() => {
        this.#retrying = undefined;
        this.#delayMs = Math.min(this.#delayMs * 2, delayMsMax);
        this.#schedule();
      });
    }, this.#delayMs).unref();
  }

  async #retryAll(): Promise<void> {
    await Promise.all(
      [...this.#runs].map(async (run) => {
        try {
          if ((await this.#retry(run)) && !this.#unrecorded.has(run)) this.#remove(run);
        } catch (error) {
          this.#deps.log.error({ run, err: error }, 'cannot complete the receipt of a run');
        }
      }),
    );
  }

  #remove(run: string): void {
    this.#runs.delete(run);
    this.#lateWork.delete(run);
  }

  /** Releases the open obligations of a run and completes its receipt. Returns true if no obligation is left. */
  async #retry(run: string): Promise<boolean> {
    const { store, log } = this.#deps;
    const attempt = await releaseObligations(this.#deps, run, {
      force: this.#closing.signal,
      creationOf: this.#lateWork.get(run)?.creationOf,
    });
    this.#addReleased(run, attempt.released);
    const released = this.#unrecorded.get(run) ?? [];
    const record = store.get(run);
    if (released.length > 0 && record?.cleanup?.clean === false) {
      const cleanup = completeReceipt(record.cleanup, released);
      store.update({ ...record, cleanup });
      log.info({ run, clean: cleanup.clean }, 'released what an ended run had left');
    }
    this.#unrecorded.delete(run);
    return store.openObligations(run).length === 0;
  }
}

/**
 * Moves the lines of `now` from `left` to `released`. Each line of `now` moves only one line of `left`, because several
 * lines may have the same name.
 */
export function completeReceipt({ released, left }: Receipt, now: readonly Released[]): Receipt {
  const still = [...left];
  const moved = now.filter(({ kind, id }) => {
    const at = still.findLastIndex((line) => line.kind === kind && line.id === id);
    if (at >= 0) still.splice(at, 1);
    return at >= 0;
  });
  return { clean: still.length === 0, released: [...released, ...moved], left: still };
}
