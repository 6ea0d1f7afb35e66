// Runs that the pow-1 REST API started, by id. If no request names an id for `powIdleMs`, stops its run, or deletes the
// id if the run has ended.

import { randomUUID } from 'node:crypto';
import type { Caller } from '../../../calls/contract/context.ts';
import type { SessionEndingName } from '../../../protocol/close-codes.ts';
import { type SettledResult, toSettledResult } from '../../../protocol/dialects/pow-1.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { HttpError } from '../../http/kit/http-error.ts';
import type { InputLease } from '../../runs/input/run-input.ts';
import { type RejectionCode, RunRejected } from '../../runs/rejection.ts';
import type { Run } from '../../runs/run.ts';
import type { Logger } from '../../support/logger.ts';
import type { PowDeps, PowLimits } from './deps.ts';

export interface StartBody {
  readonly call: string;
  readonly params: readonly string[];
}

export class TrackedRuns {
  readonly #runs: PowDeps['runs'];
  readonly #limits: () => PowLimits;
  readonly #log: Logger;
  readonly #known = new Map<string, TrackedRun>();

  constructor(deps: Pick<PowDeps, 'runs' | 'log'>, limits: () => PowLimits) {
    this.#runs = deps.runs;
    this.#limits = limits;
    this.#log = deps.log;
  }

  /**
   * Starts a call and returns its new id. A rejected call gets an id, too; its status has the reason. Rejects with an
   * HttpError if there are too many ids or the gateway is stopping.
   */
  async start({ call, params }: StartBody, caller: Caller): Promise<string> {
    if (this.#known.size >= this.#limits().powRunsMax) throw new HttpError(500, 'failed to create new process');
    const id = randomUUID();
    const runOrResult = this.#startRun({ id, call, params, caller });
    const tracked: TrackedRun = new TrackedRun(runOrResult, {
      id,
      user: caller.user,
      idleMs: () => this.#limits().powIdleMs,
      onRemoved: () => this.#known.delete(id),
    });
    this.#known.set(id, tracked);
    await tracked.persisted();
    return id;
  }

  /** Throws an HttpError if the caller has no run with this id. */
  get(id: string, caller: Caller): TrackedRun {
    const tracked = this.#known.get(id);
    if (tracked === undefined || tracked.user !== caller.user) throw new HttpError(404, 'process not found');
    tracked.restartIdleTimer();
    return tracked;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Deletes all ids. Does not stop the runs. */
  close(): void {
    for (const tracked of this.#known.values()) tracked.remove();
  }

  #startRun(request: StartBody & { readonly id: string; readonly caller: Caller }): Run | SettledResult {
    try {
      return this.#runs.start(request).activeRun!;
    } catch (error) {
      if (error instanceof RunRejected && error.code !== 'stopping') return rejectedResult(error);
      if (!(error instanceof RunRejected)) this.#log.error({ err: error }, 'a call could not be started');
      throw new HttpError(500, 'failed to create new process');
    }
  }
}

function rejectedResult({ message, code }: RunRejected): SettledResult {
  return toSettledResult({ success: false, status: 'rejected', message, next: 1 }, toEnding(code));
}

/** Returns the pow-1 ending for the code of a rejected call. */
function toEnding(code: RejectionCode): SessionEndingName {
  switch (code) {
    case 'unknown-call':
      return 'unknown-call';
    case 'wrong-param-count':
      return 'wrong-params';
    case 'not-allowed':
      return 'scope';
    default:
      return 'rejected';
  }
}

interface TrackedRunOptions {
  readonly id: string;
  readonly user: string;
  readonly idleMs: () => number;
  readonly onRemoved: () => void;
}

/** One call, as the client of the REST API sees it. */
export class TrackedRun {
  readonly id: string;
  readonly user: string;
  /** Result; undefined while the run is active. */
  settled: SettledResult | undefined;
  /** True if a run was started, so that there is a log. */
  readonly started: boolean;
  readonly #options: TrackedRunOptions;
  #run: Run | undefined;
  #input: InputLease | undefined;
  #timer: NodeJS.Timeout;

  constructor(runOrResult: Run | SettledResult, options: TrackedRunOptions) {
    this.id = options.id;
    this.user = options.user;
    this.#options = options;
    this.started = !('status' in runOrResult);
    this.#timer = this.#startIdleTimer();
    if ('status' in runOrResult) this.settled = runOrResult;
    else this.#track(runOrResult);
  }

  /** Resolves when the run is persisted or rejected. Never rejects. */
  async persisted(): Promise<void> {
    await this.#run?.persisted.catch((error: unknown) => {
      this.settled = rejectedResult(error as RunRejected);
      this.#input = undefined;
      this.#run = undefined;
    });
  }

  /** Restarts the idle timer after a request with this id. */
  restartIdleTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#startIdleTimer();
  }

  /**
   * Queues input. Resolves when the client may send more. Rejects with an HttpError if the input is closed or the
   * buffer is full.
   */
  async pushInput(bytes: Buffer): Promise<void> {
    const input = this.#input;
    if (input === undefined) throw new HttpError(500, 'error copying data to process');
    if (!input.push(bytes)) throw new HttpError(503, 'input buffer full');
    await input.drained();
  }

  /** Ends the input. Idempotent. */
  endInput(): void {
    this.#input?.end();
    this.#input = undefined;
  }

  /** Asks the run to stop, and does not wait for its end. Idempotent. */
  cancel(): void {
    this.#run?.stop('cancelled');
  }

  remove(): void {
    clearTimeout(this.#timer);
    this.#options.onRemoved();
  }

  #track(run: Run): void {
    this.#run = run;
    this.#input = run.acquireInput({
      overflowed: () => run.stop('protocol', 'cancelled: input buffer overflow'),
      superseded: () => {
        this.#input = undefined;
      },
    });
    void run.ended.then((record) => this.#settle(run, record));
  }

  #settle(run: Run, { outcome = 'unknown', message }: RunRecord): void {
    if (this.settled !== undefined) return;
    const { value, faulted } = run;
    const result = {
      success: outcome === 'succeeded',
      status: outcome,
      ...(message !== undefined && { message }),
      ...(value !== undefined && { value }),
      next: 1,
    };
    this.settled = toSettledResult(result, faulted ? 'fault' : 'done');
    this.#input = undefined;
    // A client may never request the result, so do not keep the run in memory until then.
    this.#run = undefined;
  }

  #startIdleTimer(): NodeJS.Timeout {
    return setTimeout(() => this.#onIdle(), this.#options.idleMs()).unref();
  }

  #onIdle(): void {
    if (this.settled !== undefined) return this.remove();
    this.#run?.stop('disconnected', 'cancelled: timeout expired');
    // Keep the id, because a client may still request the result.
    this.restartIdleTimer();
  }
}
