// One execution of a call: from accepted to its one outcome, result and receipt.

import type { Call } from '../../calls/contract/call.ts';
import type { Caller, Context } from '../../calls/contract/context.ts';
import { WorkFailed, WorkLost, type Engines } from '../../calls/contract/engines.ts';
import type { Output, RunPorts } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { Json, Receipt, RunRecord, StopReason } from '../../protocol/record.ts';
import { deferred } from '../support/deferred.ts';
import type { Logger } from '../support/logger.ts';
import { CleanupScope, type Releasers } from './cleanup.ts';
import { RunInput } from './input.ts';
import { RunLog } from './log/log.ts';
import { storageFailure } from './storage-failure.ts';
import type { RunStore } from './store.ts';
import { decide, timedOut, type BodyEnd, type Stop, type Verdict } from './verdict.ts';

/** Engines not yet bound to a run. */
export type UnboundEngines = { readonly [name in keyof Engines]: (ports: RunPorts) => Engines[name] };

export interface RunParts {
  readonly store: RunStore;
  readonly engines: UnboundEngines;
  readonly releasers: Releasers;
  readonly limits: Limits;
  readonly log: Logger;
}

export interface RunRequest {
  readonly call: Call;
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly terminal?: TerminalSize;
}

export class Run {
  readonly id: string;
  readonly call: Call;
  readonly log: RunLog;
  readonly input: RunInput;
  /** Of a code call that returned one. Not kept in the record. */
  value: Json | undefined;
  /** It failed by a mistake of ours. */
  faulted = false;

  readonly #parts: RunParts;
  readonly #request: RunRequest;
  readonly #scope: CleanupScope;
  readonly #stopping = new AbortController();
  readonly #hurrying = new AbortController();
  readonly #ended = deferred<RunRecord>();
  readonly #listeners = new Set<(record: RunRecord) => void>();
  #record: RunRecord;
  #stored = true;
  #stop: Stop | undefined;
  /** The log is not complete. */
  #unstored: Stop | undefined;
  #bodyEnded = false;
  #onResize: ((size: TerminalSize) => void) | undefined;

  /** `record` is stored already, as queued; `folder` is where the log is to be. Throws when the log cannot be made. */
  constructor(record: RunRecord, request: RunRequest, place: { folder: string; parts: RunParts }) {
    const { parts } = place;
    this.id = record.id;
    this.call = request.call;
    this.#record = record;
    this.#request = request;
    this.#parts = parts;
    this.input = new RunInput(parts.limits.inputBytesMax);
    const shape = request.call.kind === 'terminal' ? 'raw' : 'lines';
    this.log = RunLog.create(place.folder, { shape, limits: parts.limits, onFailure: (error) => this.#unstorable(error) });
    this.#scope = new CleanupScope({
      run: this.id, journal: parts.store, releasers: parts.releasers, stop: request.call.stop, hurry: this.#hurrying.signal,
      releaseMs: parts.limits.releaseMs, onFault: (error) => parts.log.error({ run: this.id, err: error }, 'a release failed'),
    });
  }

  get record(): RunRecord {
    return { ...this.#record, lines: this.log.position.line, bytes: this.log.position.byte };
  }

  /** The record of the run when it is over; never rejects. */
  get ended(): Promise<RunRecord> {
    return this.#ended.promise;
  }

  /** `listener` hears of each change of state; the function given back ends that. */
  onState(listener: (record: RunRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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

  /** Does the work. To be called once; never rejects. */
  async execute(): Promise<void> {
    try {
      this.#advance({ state: 'running', startedAt: new Date().toISOString() });
      const end = await this.#body();
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

  /** False while the store has refused the record as it is now. */
  get stored(): boolean {
    return this.#stored;
  }

  /** Stores the record as it is now, if the disk takes it. */
  store(): void {
    try {
      this.#parts.store.update(this.#record);
      this.#stored = true;
    } catch (error) {
      if (this.#stored) this.#parts.log.error({ run: this.id, err: error }, 'a run record cannot be stored');
      this.#stored = false;
    }
  }

  #stopFor(stop: Stop): void {
    // The work is over, only its stragglers are being ended: its outcome stands, and whoever wants it stopped wants it soon.
    if (this.#bodyEnded) return this.hurry();
    if (this.#stop !== undefined) return;
    this.#stop = stop;
    this.#advance({ state: 'cancelling' });
    this.input.discard();
    this.#stopping.abort(stop.reason);
    void this.#scope.endStarted();
  }

  #unstorable(error: Error): void {
    this.#parts.log.error({ run: this.id, err: error }, 'the log of a run cannot be written');
    this.#unstored = { reason: 'storage', message: `the output could not be stored: ${storageFailure(error)}` };
    this.#stopFor(this.#unstored);
  }

  async #body(): Promise<BodyEnd> {
    const { timeoutMs } = this.call;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#stopFor(timedOut(timeoutMs)), timeoutMs);
    try {
      return await Promise.race([this.#callBody(), this.#abandonment()]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #callBody(): Promise<BodyEnd> {
    try {
      return { type: 'returned', ending: await this.call.body(this.#context()) };
    } catch (error) {
      if (error instanceof WorkFailed) return { type: 'failed', message: error.message };
      if (error instanceof WorkLost) return { type: 'lost', message: error.message };
      // A body that was stopped may throw whatever it likes on its way out.
      if (this.#stop === undefined) this.#parts.log.error({ run: this.id, call: this.call.name, err: error }, 'a call failed by a mistake of ours');
      return { type: 'fault' };
    }
  }

  /** Code that does not listen to its signal cannot be ended, only left: after the grace, and when all it started is gone. */
  async #abandonment(): Promise<BodyEnd> {
    await aborted(this.#stopping.signal);
    await Promise.race([pause(this.call.stop.graceMs), aborted(this.#hurrying.signal)]);
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
    this.#advance({ ...verdict, state: 'ended', endedAt: new Date().toISOString(), cleanup });
    this.#ended.resolve(this.#record);
  }

  #advance(change: Partial<RunRecord>): void {
    this.#record = { ...this.record, ...change };
    this.store();
    for (const listener of this.#listeners) this.#tell(listener);
  }

  /** A watcher's trouble is not the run's. */
  #tell(listener: (record: RunRecord) => void): void {
    try {
      listener(this.#record);
    } catch (error) {
      this.#parts.log.error({ run: this.id, err: error }, 'a change of state could not be told');
    }
  }

  #context(): Context {
    const { params, caller, terminal } = this.#request;
    const ports = this.#ports();
    return {
      run: this.id, params, caller, signal: ports.signal, input: ports.input, output: ports.output, events: ports.events,
      engines: bind(this.#parts.engines, ports),
      ...(terminal !== undefined && { terminal }),
      defer: (name, work) => this.#open(() => this.#scope.defer(name, work)),
    };
  }

  #ports(): RunPorts {
    return {
      run: this.id, signal: this.#stopping.signal, input: this.input, output: outputOf(this.log), stop: this.call.stop,
      events: { emit: (type, facts) => this.log.emit(type, facts) },
      owe: (kind, id, facts) => this.#open(() => this.#scope.owe(kind, id, facts)),
      onResize: (listener) => { this.#onResize = listener; },
    };
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

function bind(engines: UnboundEngines, ports: RunPorts): Engines {
  return {
    process: (spec) => engines.process(ports)(spec),
    terminal: (spec) => engines.terminal(ports)(spec),
    container: (spec) => engines.container(ports)(spec),
  };
}

function outputOf(log: RunLog): Output {
  return {
    write: (stream, chunk) => log.write(stream, chunk),
    get full() { return log.full; },
    drained: () => log.drained(),
    end: (stream) => log.endStream(stream),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Does not keep the gateway alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
