// All runs of this gateway: started here, found here, stopped here.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Caller } from '../../calls/contract/context.ts';
import { checkParams } from '../../calls/contract/params.ts';
import { quote } from '../../calls/contract/quote.ts';
import type { Call } from '../../calls/contract/call.ts';
import type { Registry } from '../../calls/contract/registry.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { RunRecord, StopReason } from '../../protocol/record.ts';
import { readLines, type LinesPage, type LinesWish } from './reading.ts';
import { Refusal } from './refusal.ts';
import { Run, type RunParts } from './run.ts';
import { storageFailure } from './storage-failure.ts';

export interface RunsParts extends RunParts {
  /** Holds a folder for each run. */
  readonly folder: string;
  readonly node: string;
  readonly registry: () => Registry;
  readonly allows: (caller: Caller, scope: string | undefined) => boolean;
  /** What a caller without the scope is told. */
  readonly scopeText: (scope: string) => string;
}

export interface StartRequest {
  readonly call: string;
  readonly params: readonly string[];
  readonly caller: Caller;
  /** Chosen by the caller. */
  readonly id?: string;
  readonly terminal?: TerminalSize;
}

const storeAgainMs = 1_000;

export class Runs {
  readonly #parts: RunsParts;
  readonly #active = new Map<string, Run>();
  /** Those that have ended, and whose record the disk refuses. */
  readonly #unstored = new Set<Run>();
  #storing: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    mkdirSync(parts.folder, { recursive: true, mode: 0o750 });
  }

  /** Starts a run, checking in the documented order: the call exists, its scope, the number of params, the params. Throws Refusal. */
  start(request: StartRequest): Run {
    if (this.#stopped) throw new Refusal('shutdown', 'cancelled: server is shutting down');
    const call = this.#find(request);
    const checked = checkParams(call, request.params);
    if (!checked.ok) throw new Refusal(checked.problem === 'count' ? 'wrong-params' : 'refused', checked.problem === 'count' ? checked.detail : checked.message);
    const run = this.#create(call, request, checked.params);
    this.#active.set(run.id, run);
    void run.execute().then(() => this.#retire(run));
    return run;
  }

  get(id: string): RunRecord | undefined {
    return this.#active.get(id)?.record ?? this.#parts.store.get(id);
  }

  /** Newest first. `next` is what to give as `before` for the page after; absent on the last page. */
  list(page: { limit: number; before?: string }): { runs: readonly RunRecord[]; next?: string } {
    const found = this.#parts.store.list({ ...page, limit: page.limit + 1 });
    const runs = found.slice(0, page.limit).map((record) => this.#active.get(record.id)?.record ?? record);
    const last = runs.at(-1);
    return found.length > page.limit && last !== undefined ? { runs, next: last.id } : { runs };
  }

  countByState(): Readonly<Record<string, number>> {
    const active = [...this.#active.values()].map((run) => run.record.state).filter((state) => state !== 'ended');
    const stored = Object.values(this.#parts.store.countByState()).reduce((sum, count) => sum + count, 0);
    const counted: Record<string, number> = { ended: stored - active.length };
    for (const state of active) counted[state] = (counted[state] ?? 0) + 1;
    return counted;
  }

  /** Stored lines of a known run. Throws when its log cannot be read. */
  lines(id: string, wish: LinesWish): Promise<LinesPage> {
    const record = this.get(id);
    // Nothing was started, and there may be no log.
    if (record?.outcome === 'rejected') return Promise.resolve({ lines: [], next: wish.after, ended: true });
    return readLines(join(this.#parts.folder, id), wish, { ended: record?.state === 'ended', lines: record?.lines ?? 0 });
  }

  /** Stops every run, starts no more, and resolves when all have ended. */
  async stopAll(reason: StopReason): Promise<void> {
    this.#stopped = true;
    const runs = [...this.#active.values()];
    for (const run of runs) run.stop(reason);
    await Promise.all(runs.map((run) => run.ended));
    clearTimeout(this.#storing);
    for (const run of runs) if (!run.stored) run.store();
  }

  /** Skips the rest of every grace. */
  hurryAll(): void {
    for (const run of this.#active.values()) run.hurry();
  }

  #find({ call: name, caller }: StartRequest): Call {
    const registry = this.#parts.registry();
    const call = registry.get(name);
    if (call === undefined) {
      const near = registry.suggest(name);
      throw new Refusal('unknown-call', `no such call ${quote(name)}${near === undefined ? '' : `; did you mean "${near}"?`}`);
    }
    if (call.scope !== undefined && !this.#parts.allows(caller, call.scope)) throw new Refusal('scope', `failed to check scope: ${this.#parts.scopeText(call.scope)}`);
    return call;
  }

  /** An ended run whose record the disk refuses stays where it is known until it is stored: nothing is told as running for ever. */
  #retire(run: Run): void {
    if (run.stored || this.#stopped) return void this.#active.delete(run.id);
    this.#unstored.add(run);
    this.#storing ??= setTimeout(() => this.#storeAgain(), storeAgainMs).unref();
  }

  #storeAgain(): void {
    this.#storing = undefined;
    const runs = [...this.#unstored];
    this.#unstored.clear();
    for (const run of runs) {
      run.store();
      this.#retire(run);
    }
  }

  #create(call: Call, request: StartRequest, params: Readonly<Record<string, string>>): Run {
    const id = request.id ?? newId();
    if (this.get(id) !== undefined) throw new Refusal('refused', `the run id "${id}" is taken; choose another, or none`);
    const record: RunRecord = {
      id, call: call.name, params: call.params.map((param) => params[param.name] ?? ''), caller: request.caller.user, node: this.#parts.node,
      state: 'queued', queuedAt: new Date().toISOString(), lines: 0, bytes: 0,
    };
    const { terminal, caller } = request;
    try {
      this.#parts.store.insert(record);
      return new Run(record, { call, params, caller, ...(terminal !== undefined && { terminal }) }, { folder: join(this.#parts.folder, id), parts: this.#parts });
    } catch (error) {
      this.#parts.log.error({ run: id, err: error }, 'a run cannot be stored');
      this.#disown(record);
      throw new Refusal('refused', `the run cannot be stored: ${storageFailure(error)}`);
    }
  }

  /** Its log could not be made: it never started. */
  #disown(record: RunRecord): void {
    try {
      this.#parts.store.update({ ...record, state: 'ended', outcome: 'rejected', message: 'its log could not be made', endedAt: record.queuedAt });
    } catch (error) {
      this.#parts.log.error({ run: record.id, err: error }, 'a run record cannot be stored');
    }
  }
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** 80 random bits in 16 characters that can be read out and typed. */
function newId(): string {
  return Array.from(randomBytes(16), (byte) => alphabet[byte & 31]).join('');
}
