// One execution of a call, from acceptance to its outcome and receipt.

import type { ByteDirection, CallResult } from '../../calls/contract/call.ts';
import type { Context } from '../../calls/contract/context.ts';
import { WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { RunPorts } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { Json, Left, Receipt, Released, RunRecord, StopReason } from '../../protocol/run-record.ts';
import { delay } from '../support/delay.ts';
import type { Logger } from '../support/logger.ts';
import { machineTime } from '../support/machine-time.ts';
import { CleanupScope, type Releasers } from './cleanup.ts';
import { createContext, type UnboundEngines } from './context.ts';
import { createInputSpill } from './input/input-spill.ts';
import { type InputLease, type InputListener, RunInput } from './input/run-input.ts';
import type { RunLog } from './log/log.ts';
import { type BodyResult, decideOutcome, type RunOutcome, type StopRequest, timeoutRequest } from './outcome.ts';
import { type PresenceRole, PresenceTracker } from './presence.ts';
import type { RunSpec } from './run-spec.ts';
import { RunStateTracker } from './state.ts';
import { storageErrorText } from './store/storage-error.ts';
import type { RunStore } from './store/store.ts';
import type { ClientPresence, RunView } from './views/run-view.ts';

export interface RunDeps {
  readonly store: RunStore;
  readonly engines: UnboundEngines;
  readonly releasers: Releasers;
  readonly limits: Limits;
  /** Parent of all folders that runs create. The releaser of kind `folder` must receive the same path. */
  readonly work: string;
  readonly log: Logger;
}

/** What a run executes, and what was decided when it was accepted. */
export interface RunDefinition {
  /** The stored record: queued, or running if an earlier gateway started the run. */
  readonly record: RunRecord;
  /**
   * Resolves when the record is stored. Rejects with RunRejected if it cannot be stored. Absent: it is already stored.
   */
  readonly persisted?: Promise<void>;
  /** The stored settings. */
  readonly spec: RunSpec;
  readonly body: (context: Context, ports: RunPorts) => Promise<CallResult>;
  /** Creates the log, which calls `onFailure` once if the disk rejects a write. */
  readonly log: (onFailure: (error: Error) => void) => RunLog;
}

export interface LateWork {
  /** Set if the code of the call was abandoned. Resolves with the receipt line of the code when the code returns. */
  readonly abandonedBody: Promise<Released> | undefined;
  /** Resolves when this process no longer creates anything of an obligation that is left. */
  creationOf(obligation: string): Promise<void>;
}

export class Run implements RunView {
  readonly id: string;
  spec: RunSpec;
  /**
   * Resolves when the run is stored; announce the run only then. Rejects with RunRejected if it cannot be stored; then
   * the run does not exist.
   */
  readonly persisted: Promise<void>;
  readonly log: RunLog;
  /** The input that the work reads. Clients write it through `acquireInput`. */
  readonly input: RunInput;
  value: Json | undefined;
  faulted = false;
  #abandonedBody: Promise<Released> | undefined;

  readonly #deps: RunDeps;
  readonly #body: RunDefinition['body'];
  readonly #state: RunStateTracker;
  readonly #presence: PresenceTracker;
  readonly #scope: CleanupScope;
  readonly #stopController = new AbortController();
  readonly #forceController = new AbortController();
  /** Ends work that continues when the run is stopped. Absent if the body has none. */
  #finalController: AbortController | undefined;
  /** True once the work has started. */
  started = false;
  /** True once clients were notified that the run is queued. */
  #wasQueued = false;
  #stopRequest: StopRequest | undefined;
  /** Time of the stop request (`performance.now()`). */
  #stoppedMs = 0;
  /** Set if the log is incomplete because the disk rejected a write. */
  #logFailure: StopRequest | undefined;
  #bodyEnded = false;
  #handedOver = false;
  readonly #onHandOver = new Set<() => void>();
  #onResize: ((size: TerminalSize) => void) | undefined;

  constructor(definition: RunDefinition, deps: RunDeps) {
    const { record, spec, body, persisted = Promise.resolve() } = definition;
    this.id = record.id;
    this.spec = spec;
    this.persisted = persisted;
    this.#deps = deps;
    this.#body = body;
    this.input = this.#createInput();
    this.log = definition.log((error) => this.#onLogFailure(error));
    this.#state = new RunStateTracker(record, { store: deps.store, log: deps.log, output: this.log });
    this.#presence = new PresenceTracker({
      policy: spec.onDisconnect,
      mayDetach: spec.mayDetach,
      stopRun: () => this.stop('disconnected'),
      onDetached: (onDisconnect) => this.#changeSpec({ onDisconnect }),
    });
    this.#scope = new CleanupScope({
      run: this.id,
      journal: deps.store,
      events: this.log,
      releasers: deps.releasers,
      stop: spec.stop,
      forceStop: this.#forceController,
      releaseMs: deps.limits.releaseMs,
      onFault: (error) => deps.log.error({ run: this.id, err: error }, 'cannot release an obligation'),
    });
  }

  get byteDirections(): readonly ByteDirection[] {
    return this.spec.bytes ?? [];
  }

  get record(): RunRecord {
    return this.#state.record;
  }

  /** The state in `record`, at less cost. */
  get state(): RunRecord['state'] {
    return this.#state.state;
  }

  get ended(): Promise<RunRecord> {
    return this.#state.ended;
  }

  /** What this process may still do for the run after its end. */
  get lateWork(): LateWork {
    return { abandonedBody: this.#abandonedBody, creationOf: (id) => this.#scope.creationOf(id) };
  }

  onState(listener: (record: RunRecord) => void): () => void {
    return this.#state.onState(listener);
  }

  /** Adds a client that may control the run. When it disconnects, the disconnect policy may apply. */
  connectClient(as?: PresenceRole): ClientPresence {
    return this.#presence.connect(as);
  }

  /**
   * Applies the disconnect policy after a restart of the gateway, unless a client is already connected. With the policy
   * `cancel`, the run waits `reconnectMs` for a client.
   */
  awaitReconnect(reconnectMs: number): void {
    this.#presence.awaitReconnect(reconnectMs);
  }

  /** Passes the input lease to `listener` and notifies the previous holder. */
  acquireInput(listener: InputListener): InputLease {
    return this.input.acquire(listener);
  }

  /** Requests that the run stops. Only the first reason counts. Idempotent. */
  stop(reason: StopReason, message?: string): void {
    this.#requestStop(message === undefined ? { reason } : { reason, message });
  }

  /**
   * Leaves the run to the next gateway process: from now on, this process stores and releases nothing of the run.
   * Resolves when the log is on disk. `ended` never resolves.
   */
  async handOver(): Promise<void> {
    this.#handedOver = true;
    this.#presence.close();
    await this.log.suspend();
    this.#deps.store.flush();
    this.#state.discard();
    // Ends the connections to the engine.
    this.#stopController.abort('shutdown' satisfies StopReason);
    for (const listener of this.#onHandOver) listener();
  }

  /** Calls `listener` when the run is left to the next gateway process. */
  onHandOver(listener: () => void): void {
    this.#onHandOver.add(listener);
  }

  /** Skips the rest of the grace. Idempotent. */
  forceStop(): void {
    this.#forceController.abort();
    this.#finalController?.abort();
  }

  resize(size: TerminalSize): void {
    this.#onResize?.(size);
  }

  /** Emits the position of the run in the queue. */
  notifyQueued(position: number): void {
    this.#wasQueued = true;
    this.log.emit('queued', { position });
  }

  /** Starts the work, unless the run was stopped while it waited. Resolves when the run has ended. Never rejects. */
  async start(): Promise<void> {
    if (this.started || this.#stopRequest !== undefined) return;
    this.started = true;
    await this.#runToCompletion(() => this.#runBody());
  }

  /** Ends a run whose first record could not be stored: it never starts, and nothing of it is stored. */
  rejectUnpersisted(message: string): void {
    this.#state.discard();
    this.stop('storage', message);
  }

  /** False if the store rejected the last write of the record. */
  get isSaved(): boolean {
    return this.#state.isSaved;
  }

  #requestStop(stop: StopRequest): void {
    if (this.#handedOver) return;
    // The work has ended and only its obligations are being released. The outcome is fixed, so just skip the grace.
    if (this.#bodyEnded) return this.forceStop();
    if (this.#stopRequest !== undefined) return;
    this.#stopRequest = stop;
    this.#stoppedMs = performance.now();
    this.#state.transition('stop');
    this.input.discard();
    this.#stopController.abort(stop.reason);
    if (!this.started)
      void this.#runToCompletion(() => Promise.resolve({ type: 'never-started', wasQueued: this.#wasQueued }));
    else void this.#scope.stopWork();
  }

  #onLogFailure(error: Error): void {
    this.#deps.log.error({ run: this.id, err: error }, 'cannot write the log of a run');
    this.#logFailure = { reason: 'storage', message: `the output could not be stored: ${storageErrorText(error)}` };
    this.#requestStop(this.#logFailure);
  }

  #createInput(): RunInput {
    const { limits, work } = this.#deps;
    const spill = createInputSpill({
      run: this.id,
      work,
      bytesMax: limits.inputFileBytesMax,
      openObligation: (...obligation) => this.#openObligation(() => this.#scope.openObligation(...obligation)),
      onFailure: (error) => this.#onInputFailure(error),
    });
    return new RunInput(limits.inputBytesMax, spill);
  }

  #onInputFailure(error: unknown): void {
    this.#deps.log.error({ run: this.id, err: error }, 'cannot store the input of a run');
    this.#requestStop({ reason: 'storage', message: `the input could not be stored: ${storageErrorText(error)}` });
  }

  /** Does the work, releases what it opened, and ends the run. Never rejects. */
  async #runToCompletion(work: () => Promise<BodyResult>): Promise<void> {
    try {
      const end = await work();
      if (this.#handedOver) return;
      this.#bodyEnded = true;
      const stop = this.#stopRequest;
      if (stop === undefined) this.#recordResult(end);
      this.input.discard();
      const cleanup = await this.#release();
      await this.log.close();
      // Decide after the log is closed: the disk may reject the last lines long after the work has succeeded.
      await this.#finish(decideOutcome(end, stop, this.#logFailure), cleanup);
    } catch (error) {
      this.#deps.log.error({ run: this.id, err: error }, 'cannot complete a run');
      this.faulted = true;
      this.#bodyEnded = true;
      const cleanup = await this.#scope.release();
      await this.log.close();
      await this.#finish({ outcome: 'unknown', message: 'unknown error' }, cleanup);
    }
  }

  async #runBody(): Promise<BodyResult> {
    if (this.#state.state === 'queued') {
      if (this.spec.kind === 'container') this.#changeSpec({ startedOn: machineTime() });
      this.#state.transition('start', { startedAt: new Date().toISOString() });
    }
    // Do not wait if the engine journals before anything else: its first obligation is stored together with the record.
    if (!journalsFirst(this.spec)) await this.#state.settled;
    if (!this.isSaved) return { type: 'failed', message: this.#notStoredText() };
    const { timeoutMs } = this.spec;
    // A run that continues after a restart has already used part of its time.
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => this.#requestStop(timeoutRequest(timeoutMs)),
            Math.max(0, timeoutMs - (this.record.durationMs ?? 0)),
          );
    try {
      const body = this.#callBody();
      const end = await Promise.race([body, this.#abandonAfterGrace()]);
      if (end.type === 'abandoned') this.#abandonedBody = body.then(() => this.#bodyReleased());
      return end;
    } finally {
      clearTimeout(timer);
    }
  }

  async #callBody(): Promise<BodyResult> {
    try {
      const { context, ports } = this.#context();
      return { type: 'returned', result: await this.#body(context, ports) };
    } catch (error) {
      if (error instanceof WorkFailed) return { type: 'failed', message: error.message };
      if (error instanceof WorkLost) return { type: 'lost', message: error.message };
      // A body that was stopped may throw anything while it ends.
      if (this.#stopRequest === undefined)
        this.#deps.log.error(
          { run: this.id, call: this.record.call, err: error },
          'a call failed because of an error in the gateway',
        );
      return { type: 'fault' };
    }
  }

  /**
   * Resolves when the gateway abandons code that ignores its signal, because nothing can end such code. That is
   * `bodyReturnMs` after the grace is over and everything that the code started is gone.
   */
  async #abandonAfterGrace(): Promise<BodyResult> {
    await aborted(this.#stopController.signal);
    await this.#afterGrace(this.spec.stop.graceMs);
    if (this.#finalController !== undefined) {
      await this.#afterGrace(this.#deps.limits.alwaysJobsMs);
      this.#finalController.abort();
      await this.#afterGrace(this.spec.stop.graceMs);
    }
    await this.#scope.stopWork('end');
    await delay(this.#deps.limits.bodyReturnMs, { unref: true });
    return { type: 'abandoned' };
  }

  /** Resolves after `ms`, or as soon as the rest of the grace is skipped. */
  async #afterGrace(ms: number): Promise<void> {
    await Promise.race([delay(ms, { unref: true }), aborted(this.#forceController.signal)]);
  }

  #recordResult(end: BodyResult): void {
    this.faulted = end.type === 'fault';
    this.value = end.type === 'returned' ? end.result.value : undefined;
  }

  async #release(): Promise<Receipt> {
    const receipt = await this.#scope.release();
    if (this.#abandonedBody === undefined) return receipt;
    // The code may have returned during the release.
    const returned = await Promise.race([this.#abandonedBody, undefined]);
    return returned === undefined
      ? { ...receipt, clean: false, left: [...receipt.left, bodyLeft] }
      : { ...receipt, released: [...receipt.released, returned] };
  }

  #bodyReleased(): Released {
    return { ...bodyLine, how: 'returned', ms: Math.round(performance.now() - this.#stoppedMs) };
  }

  async #finish(outcome: RunOutcome, cleanup: Receipt): Promise<void> {
    this.input.end();
    this.#presence.close();
    const diskBytes = mayHaveArtifacts(this.spec) ? undefined : this.log.storedBytes;
    await this.#state.end({ ...outcome, endedAt: new Date().toISOString(), cleanup }, diskBytes);
  }

  #notStoredText(): string {
    return `cannot start: the run could not be stored: ${storageErrorText(this.#state.writeError)}`;
  }

  #changeSpec(changes: Partial<RunSpec>): void {
    this.spec = { ...this.spec, ...changes };
    try {
      this.#deps.store.updateSpec(this.id, this.spec);
    } catch (error) {
      this.#deps.log.error({ run: this.id, err: error }, 'cannot store the settings of a run');
    }
  }

  #context() {
    return createContext({
      run: this.id,
      spec: this.spec,
      signal: this.#stopController.signal,
      finalSignal: () => (this.#finalController ??= new AbortController()).signal,
      input: this.input,
      log: this.log,
      scope: this.#scope,
      engines: this.#deps.engines,
      onResize: (listener) => {
        this.#onResize = listener;
      },
      open: (open) => this.#openObligation(open),
    });
  }

  /**
   * Opens an obligation. Throws WorkFailed if the body has ended, because nothing would release the obligation, or if
   * the obligation or the run cannot be stored.
   */
  #openObligation<T>(open: () => T): T {
    if (this.#bodyEnded) throw new WorkFailed('the run has ended; nothing can start in it');
    const opened = this.#journal(open);
    // Do not continue without a stored record: if it says `queued` after a crash, the run is reported as never started.
    if (!this.isSaved) throw new WorkFailed(this.#notStoredText());
    return opened;
  }

  #journal<T>(open: () => T): T {
    try {
      return open();
    } catch (error) {
      this.#deps.log.error({ run: this.id, err: error }, 'cannot journal an obligation');
      throw new WorkFailed(`cannot start: the cleanup journal could not be written: ${storageErrorText(error)}`);
    }
  }
}

/** The receipt line for abandoned code of a call. */
const bodyLine = { kind: 'deferred', id: 'body' } as const;
const bodyLeft: Left = { ...bodyLine, why: 'the code of the call did not return after it was stopped' };

/** Whether the body opens an obligation before it does anything else. */
function journalsFirst({ kind }: RunSpec): boolean {
  return kind === 'process' || kind === 'terminal';
}

function mayHaveArtifacts({ kind }: RunSpec): boolean {
  return kind === 'pipeline' || kind === 'code';
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
