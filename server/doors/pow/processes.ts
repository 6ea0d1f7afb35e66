// The runs that were started through this door, by the id their caller was given. An id that nobody asks for any more is forgotten.

import { randomUUID } from 'node:crypto';
import type { Caller } from '../../../calls/contract/context.ts';
import { settle, type Settled } from '../../../protocol/dialects/pow-1.ts';
import type { RunRecord } from '../../../protocol/record.ts';
import type { InputHold } from '../../runs/input.ts';
import { Refusal } from '../../runs/refusal.ts';
import type { Run } from '../../runs/run.ts';
import type { Logger } from '../../support/logger.ts';
import type { PowLimits, PowParts } from './parts.ts';
import { Problem } from './problem.ts';

export interface PowCall {
  readonly call: string;
  readonly params: readonly string[];
}

export class Processes {
  readonly #runs: PowParts['runs'];
  readonly #limits: () => PowLimits;
  readonly #log: Logger;
  readonly #known = new Map<string, Process>();

  constructor(parts: Pick<PowParts, 'runs' | 'log'>, limits: () => PowLimits) {
    this.#runs = parts.runs;
    this.#limits = limits;
    this.#log = parts.log;
  }

  /** A new id, for a call that is refused too: its status says why. Rejects with a Problem when there are too many, or the gateway is stopping. */
  async start({ call, params }: PowCall, caller: Caller): Promise<string> {
    if (this.#known.size >= this.#limits().powIdsMax) throw new Problem(500, 'failed to create new process');
    const id = randomUUID();
    const begun = this.#begin({ id, call, params, caller });
    const process: Process = new Process(begun, { id, user: caller.user, idleMs: () => this.#limits().powIdleMs, onForgotten: () => this.#known.delete(id) });
    this.#known.set(id, process);
    await process.kept();
    return id;
  }

  /** Throws a Problem when there is none of this id that belongs to the caller. */
  get(id: string, caller: Caller): Process {
    const process = this.#known.get(id);
    if (process === undefined || process.user !== caller.user) throw new Problem(404, 'process not found');
    process.touch();
    return process;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Forgets all ids; their runs are ended by whoever ends the gateway. */
  close(): void {
    for (const process of this.#known.values()) process.forget();
  }

  #begin(request: PowCall & { readonly id: string; readonly caller: Caller }): Run | Settled {
    try {
      return this.#runs.start(request).live!;
    } catch (error) {
      if (error instanceof Refusal && error.ending !== 'shutdown') return settleRefused(error);
      if (!(error instanceof Refusal)) this.#log.error({ err: error }, 'a call could not be started');
      throw new Problem(500, 'failed to create new process');
    }
  }
}

function settleRefused({ message, ending }: Refusal): Settled {
  return settle({ success: false, status: 'rejected', message, next: 1 }, ending);
}

interface ProcessOptions {
  readonly id: string;
  readonly user: string;
  readonly idleMs: () => number;
  readonly onForgotten: () => void;
}

/** One call as its caller meets it over HTTP. */
export class Process {
  readonly id: string;
  readonly user: string;
  /** Undefined while it goes on. */
  settled: Settled | undefined;
  /** A run was started, and has a log. */
  readonly started: boolean;
  readonly #options: ProcessOptions;
  #run: Run | undefined;
  #input: InputHold | undefined;
  #timer: NodeJS.Timeout;

  constructor(begun: Run | Settled, options: ProcessOptions) {
    this.id = options.id;
    this.user = options.user;
    this.#options = options;
    this.started = !('status' in begun);
    this.#timer = this.#idleLater();
    if ('status' in begun) this.settled = begun;
    else this.#follow(begun);
  }

  /** Resolves when its run is stored, or is known to have been refused. Never rejects. */
  async kept(): Promise<void> {
    await this.#run?.kept.catch((error: unknown) => {
      this.settled = settleRefused(error as Refusal);
      this.#input = undefined;
      this.#run = undefined;
    });
  }

  /** Somebody asked for it. */
  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#idleLater();
  }

  /** Queues input. Throws a Problem when nobody will read it, or it does not fit. */
  feed(bytes: Buffer): void {
    if (this.#input === undefined) throw new Problem(500, 'error copying data to process');
    if (!this.#input.push(bytes)) throw new Problem(503, 'input buffer full');
  }

  /** Safe twice. */
  endInput(): void {
    this.#input?.end();
    this.#input = undefined;
  }

  /** Asks it to stop, and does not wait for that. Safe twice. */
  cancel(): void {
    this.#run?.stop('cancelled');
  }

  forget(): void {
    clearTimeout(this.#timer);
    this.#options.onForgotten();
  }

  #follow(run: Run): void {
    this.#run = run;
    this.#input = run.takeInput({
      overflow: () => run.stop('protocol', 'cancelled: input buffer overflow'),
      lost: () => { this.#input = undefined; },
    });
    void run.ended.then((record) => this.#over(run, record));
  }

  #over(run: Run, { outcome = 'unknown', message }: RunRecord): void {
    if (this.settled !== undefined) return;
    const { value, faulted } = run;
    const result = { success: outcome === 'succeeded', status: outcome, ...(message !== undefined && { message }), ...(value !== undefined && { value }), next: 1 };
    this.settled = settle(result, faulted ? 'fault' : 'done');
    this.#input = undefined;
    // Not kept in memory for a result that may never be asked for.
    this.#run = undefined;
  }

  #idleLater(): NodeJS.Timeout {
    return setTimeout(() => this.#idle(), this.#options.idleMs()).unref();
  }

  #idle(): void {
    if (this.settled !== undefined) return this.forget();
    this.#run?.stop('disconnected', 'cancelled: timeout expired');
    // Its result may be asked for still.
    this.touch();
  }
}
