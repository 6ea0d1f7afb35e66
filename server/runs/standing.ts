// Where a run stands: its record, moved by the table, stored as it is, and told to whoever listens.

import type { RunRecord } from '../../protocol/record.ts';
import { nextState, type RunMove } from '../../protocol/run-states.ts';
import { deferred } from '../support/deferred.ts';
import type { Logger } from '../support/logger.ts';
import type { RunStore } from './store.ts';

interface Size {
  readonly line: number;
  readonly byte: number;
}

export interface StandingParts {
  readonly store: Pick<RunStore, 'update'>;
  readonly log: Logger;
  readonly output: { readonly position: Size; readonly written: Size };
}

export class Standing {
  readonly #parts: StandingParts;
  readonly #ended = deferred<RunRecord>();
  readonly #listeners = new Set<(record: RunRecord) => void>();
  #record: RunRecord;
  /** There is no record of it any more. */
  #dropped = false;
  /** Why the store has refused the record as it is now. */
  #refused: { readonly error: unknown } | undefined;

  /** `record` is stored already. */
  constructor(record: RunRecord, parts: StandingParts) {
    this.#record = record;
    this.#parts = parts;
  }

  get record(): RunRecord {
    return sized(this.#record, this.#parts.output.position);
  }

  get state(): RunRecord['state'] {
    return this.#record.state;
  }

  /** The record when the run is over; never rejects. */
  get ended(): Promise<RunRecord> {
    return this.#ended.promise;
  }

  /** False while the store has refused the record as it is now. */
  get stored(): boolean {
    return this.#refused === undefined;
  }

  /** What the store said when it refused. */
  get refusal(): unknown {
    return this.#refused?.error;
  }

  /** `listener` hears of each change; the function given back ends that. */
  onState(listener: (record: RunRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Does what the table says, with what has become known. Throws when the table knows no such move. */
  move(move: RunMove, known: Partial<RunRecord> = {}): void {
    const state = nextState(this.#record.state, move);
    if (state === undefined) throw new Error(`a run that is ${this.#record.state} cannot ${move}`);
    this.#record = { ...this.record, ...known, state };
    this.store();
    for (const listener of this.#listeners) this.#tell(listener);
    if (state === 'ended') this.#ended.resolve(this.#record);
  }

  /** The store has refused the run from the beginning: from now on nothing of it is stored. */
  drop(): void {
    this.#dropped = true;
  }

  /** Stores the record as it is now, if the disk takes it; of the output no more than the disk has, for the gateway may be killed. */
  store(): void {
    if (this.#dropped) return;
    try {
      this.#parts.store.update(sized(this.#record, this.#parts.output.written));
      this.#refused = undefined;
    } catch (error) {
      if (this.#refused === undefined) this.#parts.log.error({ run: this.#record.id, err: error }, 'a run record cannot be stored');
      this.#refused = { error };
    }
  }

  /** A watcher's trouble is not the run's. */
  #tell(listener: (record: RunRecord) => void): void {
    try {
      listener(this.#record);
    } catch (error) {
      this.#parts.log.error({ run: this.#record.id, err: error }, 'a change of state could not be told');
    }
  }
}

function sized(record: RunRecord, { line, byte }: Size): RunRecord {
  return { ...record, lines: line, bytes: byte };
}
