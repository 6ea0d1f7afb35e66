// The state of a run: applies the transitions that protocol/run-states.ts allows, stores the record, and notifies
// listeners.

import type { RunRecord } from '../../protocol/run-record.ts';
import { nextState, type RunTransition } from '../../protocol/run-states.ts';
import { deferred } from '../support/deferred.ts';
import type { Logger } from '../support/logger.ts';
import type { RunStore } from './store/store.ts';

interface Size {
  readonly line: number;
  readonly byte: number;
}

export interface RunStateDeps {
  readonly store: Pick<RunStore, 'updateBatched'>;
  readonly log: Logger;
  readonly output: { readonly position: Size; readonly written: Size };
}

export class RunStateTracker {
  readonly #deps: RunStateDeps;
  readonly #ended = deferred<RunRecord>();
  readonly #listeners = new Set<(record: RunRecord) => void>();
  #record: RunRecord;
  #settled: Promise<void> = Promise.resolve();
  /** Start of the run (`performance.now()`); undefined while it is queued. */
  #startedMs: number | undefined;
  /** True if nothing more is stored: the run could not be stored at all, or the next gateway process continues it. */
  #discarded = false;
  /** Why the store rejected the last write; undefined if it accepted it or has not decided yet. */
  #failedWrite: { readonly error: unknown } | undefined;

  /** `record` must be stored already. */
  constructor(record: RunRecord, deps: RunStateDeps) {
    this.#record = record;
    this.#deps = deps;
    if (record.durationMs !== undefined) this.#startedMs = performance.now() - record.durationMs;
  }

  get record(): RunRecord {
    return withSize(this.#withDuration(), this.#deps.output.position);
  }

  get state(): RunRecord['state'] {
    return this.#record.state;
  }

  /** Resolves with the final record when the run has ended. Never rejects. */
  get ended(): Promise<RunRecord> {
    return this.#ended.promise;
  }

  /** False if the store rejected the present record. */
  get isSaved(): boolean {
    return this.#failedWrite === undefined;
  }

  /** The error with which the store rejected the present record. */
  get writeError(): unknown {
    return this.#failedWrite?.error;
  }

  /** Calls `listener` at each change of state. Returns a function that removes the listener. */
  onState(listener: (record: RunRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Changes the state by a transition of the table and merges `changes` into the record. The record is stored at the
   * end of this event-loop turn, or with the next write that cannot wait. Throws if the table has no such transition.
   */
  transition(name: Exclude<RunTransition, 'end'>, changes: Partial<RunRecord> = {}): void {
    if (name === 'start') this.#startedMs = performance.now();
    this.#record = { ...this.record, ...changes, state: this.#next(name) };
    this.save();
    this.#notifyAll();
  }

  /**
   * Ends the run. Resolves when the record is stored or the store has rejected it; only then are listeners notified.
   * `diskBytes` is the size of the run's files; absent: unknown. Never rejects.
   */
  async end(changes: Partial<RunRecord>, diskBytes?: number): Promise<void> {
    const record = { ...this.record, ...changes, state: this.#next('end') };
    await this.#store(record, diskBytes);
    this.#record = record;
    this.#notifyAll();
    this.#ended.resolve(record);
  }

  /** Resolves when the present record is stored or the store has rejected it. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** From now on, stores nothing. Call it if the first record could not be stored, or if another gateway takes over. */
  discard(): void {
    this.#discarded = true;
  }

  /** Stores the present record, if the disk accepts it. */
  save(): void {
    void this.#store(this.#record, undefined);
  }

  /** The stored sizes count only output that is on disk, because the gateway may be killed. */
  #store(record: RunRecord, diskBytes: number | undefined): Promise<void> {
    if (this.#discarded) return Promise.resolve();
    const settled = deferred<void>();
    this.#settled = settled.promise;
    this.#deps.store.updateBatched(
      withSize(record, this.#deps.output.written),
      (error) => {
        if (error === undefined) this.#failedWrite = undefined;
        else this.#onFailedWrite(error);
        settled.resolve();
      },
      diskBytes,
    );
    return settled.promise;
  }

  #onFailedWrite(error: unknown): void {
    // Log only the first of consecutive errors, and none after `discard`: the store may have no run to update then.
    if (this.#failedWrite === undefined && !this.#discarded)
      this.#deps.log.error({ run: this.#record.id, err: error }, 'cannot store a run record');
    this.#failedWrite = { error };
  }

  #next(transition: RunTransition): RunRecord['state'] {
    const state = nextState(this.#record.state, transition);
    if (state === undefined) throw new Error(`a run that is ${this.#record.state} cannot ${transition}`);
    return state;
  }

  #withDuration(): RunRecord {
    if (this.#startedMs === undefined || this.#record.state === 'ended') return this.#record;
    return { ...this.#record, durationMs: Math.round(performance.now() - this.#startedMs) };
  }

  #notifyAll(): void {
    for (const listener of this.#listeners) this.#notify(listener);
  }

  /** Calls a listener. Its error does not affect the run. */
  #notify(listener: (record: RunRecord) => void): void {
    try {
      listener(this.#record);
    } catch (error) {
      this.#deps.log.error({ run: this.#record.id, err: error }, 'a listener for state changes failed');
    }
  }
}

function withSize(record: RunRecord, { line, byte }: Size): RunRecord {
  return { ...record, lines: line, bytes: byte };
}
