// One execution of a call: from accepted to its one outcome, result and receipt.

import type { Ending } from '../../calls/contract/call.ts';
import type { Context } from '../../calls/contract/context.ts';
import type { RunPorts } from '../../calls/contract/ports.ts';
import { WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { Json, Receipt, RunRecord, StopReason } from '../../protocol/record.ts';
import type { Logger } from '../support/logger.ts';
import { CleanupScope, type Releasers } from './cleanup.ts';
import { contextOf, type UnboundEngines } from './context.ts';
import type { RunFacts } from './facts.ts';
import { RunInput, type Feeder, type InputHold } from './input.ts';
import type { RunLog } from './log/log.ts';
import { Standing } from './standing.ts';
import { Stays, type StayAs } from './stay.ts';
import { storageFailure } from './storage-failure.ts';
import type { RunStore } from './store.ts';
import { decide, timedOut, type BodyEnd, type Stop, type Verdict } from './verdict.ts';
import type { Stay, Watchable } from './watchable.ts';

export interface RunParts {
  readonly store: RunStore;
  readonly engines: UnboundEngines;
  readonly releasers: Releasers;
  readonly limits: Limits;
  readonly log: Logger;
}

/** What a run is to do, and what was decided about it when it was accepted. */
export interface Work {
  /** As it is stored: queued, or, of a run that an earlier gateway began, running. */
  readonly record: RunRecord;
  /** Resolves when that is on the disk, and rejects with a Refusal when the disk refuses. Absent: it is. */
  readonly kept?: Promise<void>;
  /** As they are stored. */
  readonly facts: RunFacts;
  readonly body: (context: Context, ports: RunPorts) => Promise<Ending>;
  /** Gives the log; `onFailure` is to be called, once, when the disk refuses. */
  readonly log: (onFailure: (error: Error) => void) => RunLog;
}

export class Run implements Watchable {
  readonly id: string;
  readonly facts: RunFacts;
  /** Resolves when the run is stored, before which nobody is to be told of it; rejects with a Refusal when it cannot be, and then there is no such run. */
  readonly kept: Promise<void>;
  readonly log: RunLog;
  /** What the work reads. Whoever sends takes hold of it with `takeInput`. */
  readonly input: RunInput;
  value: Json | undefined;
  faulted = false;

  readonly #parts: RunParts;
  readonly #body: Work['body'];
  readonly #standing: Standing;
  readonly #stays: Stays;
  readonly #scope: CleanupScope;
  readonly #stopping = new AbortController();
  readonly #hurrying = new AbortController();
  /** Its work has been started. */
  begun = false;
  /** Its client was told that it has to wait. */
  #waited = false;
  #stop: Stop | undefined;
  /** The log is not complete. */
  #unstored: Stop | undefined;
  #bodyEnded = false;
  #onResize: ((size: TerminalSize) => void) | undefined;

  constructor(work: Work, parts: RunParts) {
    const { record, facts, body, kept = Promise.resolve() } = work;
    this.id = record.id;
    this.facts = facts;
    this.kept = kept;
    this.#parts = parts;
    this.#body = body;
    this.input = new RunInput(parts.limits.inputBytesMax);
    this.log = work.log((error) => this.#unstorable(error));
    this.#standing = new Standing(record, { store: parts.store, log: parts.log, output: this.log });
    this.#stays = new Stays({
      policy: facts.onDisconnect, mayDetach: facts.mayDetach,
      onLost: () => this.stop('disconnected'), onDetached: (onDisconnect) => this.#keepFacts({ ...facts, onDisconnect }),
    });
    this.#scope = new CleanupScope({
      run: this.id, journal: parts.store, releasers: parts.releasers, stop: facts.stop, hurry: this.#hurrying,
      releaseMs: parts.limits.releaseMs, onFault: (error) => parts.log.error({ run: this.id, err: error }, 'a release failed'),
    });
  }

  get record(): RunRecord {
    return this.#standing.record;
  }

  get ended(): Promise<RunRecord> {
    return this.#standing.ended;
  }

  onState(listener: (record: RunRecord) => void): () => void {
    return this.#standing.onState(listener);
  }

  /** To be called for each session that is more than a look: when the last one is lost, the run's disconnect policy decides what becomes of it. */
  stay(as?: StayAs): Stay {
    return this.#stays.stay(as);
  }

  /** Those who stayed were lost with an earlier gateway: where that would stop the run, they have `returnMs` to come back. */
  orphan(returnMs: number): void {
    this.#stays.orphan(returnMs);
  }

  /** From now on `feeder` feeds the run, and whoever did hears so. */
  takeInput(feeder: Feeder): InputHold {
    return this.input.hold(feeder);
  }

  /** Asks the run to stop. The first reason wins; safe at any time. */
  stop(reason: StopReason, message?: string): void {
    this.#stopFor(message === undefined ? { reason } : { reason, message });
  }

  /** Skips what is left of the grace. */
  hurry(): void {
    this.#hurrying.abort();
  }

  resize(size: TerminalSize): void {
    this.#onResize?.(size);
  }

  /** It waits for its turn, so many places from it. */
  wait(position: number): void {
    this.#waited = true;
    this.log.emit('queued', { position });
  }

  /** It is this run's turn: does the work, unless it was stopped while it waited. Never rejects. */
  async begin(): Promise<void> {
    if (this.begun || this.#stop !== undefined) return;
    this.begun = true;
    await this.#ending(() => this.#work());
  }

  /** The disk has refused it: it is not begun, and nothing of it is stored. */
  withdraw(message: string): void {
    this.#standing.drop();
    this.stop('storage', message);
  }

  /** False while the store has refused the record as it is now. */
  get stored(): boolean {
    return this.#standing.stored;
  }

  /** Stores the record as it is now, if the disk takes it. */
  store(): void {
    this.#standing.store();
  }

  #stopFor(stop: Stop): void {
    // The work is over, only its stragglers are being ended: its outcome stands, and whoever wants it stopped wants it soon.
    if (this.#bodyEnded) return this.hurry();
    if (this.#stop !== undefined) return;
    this.#stop = stop;
    this.#standing.move('stop');
    this.input.discard();
    this.#stopping.abort(stop.reason);
    if (!this.begun) void this.#ending(() => Promise.resolve({ type: 'never-began', waited: this.#waited }));
    else void this.#scope.endStarted();
  }

  #unstorable(error: Error): void {
    this.#parts.log.error({ run: this.id, err: error }, 'the log of a run cannot be written');
    this.#unstored = { reason: 'storage', message: `the output could not be stored: ${storageFailure(error)}` };
    this.#stopFor(this.#unstored);
  }

  /** From the beginning of the work to the end of the run; never rejects. */
  async #ending(work: () => Promise<BodyEnd>): Promise<void> {
    try {
      const end = await work();
      this.#bodyEnded = true;
      const stop = this.#stop;
      if (stop === undefined) this.#keep(end);
      this.input.discard();
      const cleanup = await this.#release(end);
      await this.log.close();
      // Last, for a disk may refuse the last lines when the work has long succeeded.
      this.#finish(decide(end, stop ?? this.#unstored), cleanup);
    } catch (error) {
      this.#parts.log.error({ run: this.id, err: error }, 'a run could not be brought to its end');
      this.faulted = true;
      this.#bodyEnded = true;
      const cleanup = await this.#scope.release();
      await this.log.close();
      this.#finish({ outcome: 'unknown', message: 'unknown error' }, cleanup);
    }
  }

  async #work(): Promise<BodyEnd> {
    if (this.#standing.state === 'queued') this.#standing.move('start', { startedAt: new Date().toISOString() });
    // After a crash, what is stored as queued is told as never started.
    if (!this.stored) return { type: 'failed', message: `the run cannot be stored as started, so it was not: ${storageFailure(this.#standing.refusal)}` };
    const { timeoutMs } = this.facts;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#stopFor(timedOut(timeoutMs)), this.#leftOf(timeoutMs));
    try {
      return await Promise.race([this.#callBody(), this.#abandonment()]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A run that goes on after a restart has had a part of its time. */
  #leftOf(timeoutMs: number): number {
    const { startedAt } = this.record;
    return startedAt === undefined ? timeoutMs : Math.max(0, Math.min(timeoutMs, Date.parse(startedAt) + timeoutMs - Date.now()));
  }

  async #callBody(): Promise<BodyEnd> {
    try {
      const { context, ports } = this.#context();
      return { type: 'returned', ending: await this.#body(context, ports) };
    } catch (error) {
      if (error instanceof WorkFailed) return { type: 'failed', message: error.message };
      if (error instanceof WorkLost) return { type: 'lost', message: error.message };
      // A body that was stopped may throw whatever it likes on its way out.
      if (this.#stop === undefined) this.#parts.log.error({ run: this.id, call: this.record.call, err: error }, 'a call failed by a mistake of ours');
      return { type: 'fault' };
    }
  }

  /** Code that does not listen to its signal cannot be ended, only left: after the grace, and when all it started is gone. */
  async #abandonment(): Promise<BodyEnd> {
    await aborted(this.#stopping.signal);
    await Promise.race([pause(this.facts.stop.graceMs), aborted(this.#hurrying.signal)]);
    await this.#scope.endStarted();
    await pause(this.#parts.limits.bodyMs);
    return { type: 'abandoned' };
  }

  #keep(end: BodyEnd): void {
    this.faulted = end.type === 'fault';
    this.value = end.type === 'returned' ? end.ending.value : undefined;
  }

  async #release(end: BodyEnd): Promise<Receipt> {
    const receipt = await this.#scope.release();
    if (end.type !== 'abandoned') return receipt;
    const left = { kind: 'deferred', id: 'body', why: 'the code of the call did not return after it was stopped' } as const;
    return { clean: false, released: receipt.released, left: [...receipt.left, left] };
  }

  #finish(verdict: Verdict, cleanup: Receipt): void {
    this.input.end();
    this.#stays.close();
    this.#standing.move('end', { ...verdict, endedAt: new Date().toISOString(), cleanup });
  }

  #keepFacts(facts: RunFacts): void {
    try {
      this.#parts.store.keep(this.id, facts);
    } catch (error) {
      this.#parts.log.error({ run: this.id, err: error }, 'what was decided about a run cannot be stored');
    }
  }

  #context() {
    return contextOf({
      run: this.id, facts: this.facts, signal: this.#stopping.signal, input: this.input, log: this.log, scope: this.#scope, engines: this.#parts.engines,
      onResize: (listener) => { this.#onResize = listener; },
      open: (owe) => this.#open(owe),
    });
  }

  /** Opens an obligation. Throws WorkFailed when nothing may be opened, for then nothing would be sure to close it. */
  #open<T>(owe: () => T): T {
    if (this.#bodyEnded) throw new WorkFailed('the run is over; nothing can be started in it');
    try {
      return owe();
    } catch (error) {
      this.#parts.log.error({ run: this.id, err: error }, 'an obligation cannot be journaled');
      throw new WorkFailed(`what the call starts cannot be written down, so it is not started: ${storageFailure(error)}`);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Does not keep the gateway alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
