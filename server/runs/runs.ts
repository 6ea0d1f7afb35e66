// All runs of this gateway: started here, found here, stopped here.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Caller } from '../../calls/contract/context.ts';
import { quote } from '../../calls/contract/quote.ts';
import type { RunRecord, StopReason } from '../../protocol/record.ts';
import { deferred } from '../support/deferred.ts';
import { artifactsName, listArtifacts, openArtifact, type ArtifactFile, type ArtifactList } from './artifacts.ts';
import { accept, expectSame, listed, type AcceptParts, type StartRequest } from './accept.ts';
import { factsOf, shapeOf, type Accepted, type RunFacts } from './facts.ts';
import { newId } from './id.ts';
import { RunLog } from './log/log.ts';
import { PastLog } from './log/past-log.ts';
import { PastRun } from './past.ts';
import { RunQueue, type Queued } from './queue.ts';
import { readLines, type LinesPage, type LinesWish } from './reading.ts';
import { Refusal } from './refusal.ts';
import { Run, type RunParts, type Work } from './run.ts';
import { Starter } from './starter.ts';
import type { Page } from './store.ts';
import { storageFailure } from './storage-failure.ts';
import { Unstored } from './unstored.ts';
import type { Watchable } from './watchable.ts';

export type { StartRequest } from './accept.ts';

export interface RunsParts extends RunParts, AcceptParts {
  /** Holds a folder for each run. */
  readonly folder: string;
  readonly node: string;
  /** Hears of every run that is to go on here, before its work does. */
  readonly onRun?: (run: Run) => void;
  /** Hears of every run that has ended, when that is stored. */
  readonly onStored?: (record: RunRecord) => void;
}

/** A run as one caller meets it. */
export interface Attached {
  /** To be watched: live, or over and read from its files. */
  readonly run: Watchable;
  /** The same run, while it is not over: to be stayed with, fed and stopped. */
  readonly live?: Run;
  /** Whether this caller may feed and stop it. */
  readonly mayControl: boolean;
}

export interface Started extends Attached {
  /** There was a run of this id, and it is the one that was asked for. Otherwise it was started now. */
  readonly existing: boolean;
}

export class Runs {
  readonly #parts: RunsParts;
  /** Those that are not over, and those whose end is not stored. */
  readonly #active = new Map<string, Run>();
  readonly #queue: RunQueue;
  readonly #starter = new Starter();
  readonly #unstored = new Unstored();
  readonly #hurrying = new AbortController();
  #stopped = false;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    this.#queue = new RunQueue(parts.limits);
    mkdirSync(parts.folder, { recursive: true, mode: 0o750 });
  }

  /**
   * Starts a run, or finds the one of this id that was started by the same caller with the same call and params. It is stored when its `kept` resolves, and
   * begins soon after. Checks in the documented order: the run id, the call exists, its scope, the number of params, the params, the policy, room. Throws Refusal.
   */
  start(request: StartRequest): Started {
    const known = request.id === undefined ? undefined : this.get(request.id);
    if (known !== undefined) {
      expectSame(known, request, this.#parts);
      return { ...this.#attached(known), mayControl: true, existing: true };
    }
    if (this.#stopped) throw new Refusal('shutdown', 'cancelled: server is shutting down');
    const run = this.#create(accept(request, this.#parts), request.id ?? newId());
    return { run, live: run, mayControl: true, existing: false };
  }

  /** A run to be watched, whatever has become of it. Throws Refusal when there is none. */
  attach(id: string, caller: Caller): Attached {
    const record = this.#known(id);
    return { ...this.#attached(record), mayControl: this.#mayControl(caller, record) };
  }

  /** As `attach`, for those who only look. */
  watch(id: string): Watchable {
    return this.#attached(this.#known(id)).run;
  }

  /** A run that an earlier gateway began goes on here: it counts as one of those that run, and `body` sees it to its end. */
  adopt(work: Work): Run {
    const { run, queued } = this.#add(work);
    this.#queue.resume(queued);
    void run.begin();
    return run;
  }

  get(id: string): RunRecord | undefined {
    return this.#active.get(id)?.record ?? this.#parts.store.get(id);
  }

  /** Runs that are not over. */
  live(): readonly Run[] {
    return [...this.#active.values()].filter((run) => run.record.state !== 'ended');
  }

  /** Newest first. `next` is what to give as `before` for the page after; absent on the last page. */
  list(page: Page): { runs: readonly RunRecord[]; next?: string } {
    const found = this.#parts.store.list({ ...page, limit: page.limit + 1 });
    const runs = found.slice(0, page.limit).map((record) => this.#active.get(record.id)?.record ?? record);
    const last = runs.at(-1);
    return found.length > page.limit && last !== undefined ? { runs, next: last.id } : { runs };
  }

  countByState(): Readonly<Record<string, number>> {
    const active = this.live().map((run) => run.record.state);
    const stored = Object.values(this.#parts.store.countByState()).reduce((sum, count) => sum + count, 0);
    const counted: Record<string, number> = { ended: stored - active.length };
    for (const state of active) counted[state] = (counted[state] ?? 0) + 1;
    return counted;
  }

  /** Stored lines of a known run. Throws when its log cannot be read. */
  lines(id: string, wish: LinesWish): Promise<LinesPage> {
    const record = this.get(id);
    return readLines(this.#folderOf(id), wish, { ended: record?.state === 'ended', lines: record?.lines ?? 0 });
  }

  /** What the jobs of a known run made, at most `max` of it. */
  artifacts(id: string, max: number): Promise<ArtifactList> {
    return listArtifacts(join(this.#folderOf(id), artifactsName), max);
  }

  /** One file of that; undefined when there is none. */
  artifact(id: string, path: string): Promise<ArtifactFile | undefined> {
    return openArtifact(join(this.#folderOf(id), artifactsName), path);
  }

  /** Starts no more. Those that wait for their turn are stopped; those that run go on. */
  admitNoMore(): void {
    this.#stopped = true;
    for (const run of this.live()) if (run.record.state === 'queued') run.stop('shutdown');
  }

  /** Resolves when no run is left, when so much time is over, or when all are hurried. */
  async drained(withinMs: number): Promise<void> {
    const { signal } = this.#hurrying;
    if (signal.aborted) return;
    const over = deferred<void>();
    const timer = setTimeout(over.resolve, withinMs).unref();
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    await Promise.race([over.promise, Promise.all(this.live().map((run) => run.ended))]);
    clearTimeout(timer);
  }

  /** Stops every run, starts no more, and resolves when all have ended. */
  async stopAll(reason: StopReason): Promise<void> {
    this.#stopped = true;
    const runs = [...this.#active.values()];
    for (const run of runs) run.stop(reason);
    await Promise.all(runs.map((run) => run.ended));
    this.#unstored.close();
  }

  /** Skips the rest of every grace, and the time of `drained`. */
  hurryAll(): void {
    this.#hurrying.abort();
    for (const run of this.#active.values()) run.hurry();
  }

  #known(id: string): RunRecord {
    const record = this.get(id);
    if (record === undefined) throw new Refusal('refused', `no such run ${quote(id)}`);
    return record;
  }

  #attached(record: RunRecord): { run: Watchable; live?: Run } {
    const active = this.#active.get(record.id);
    if (active === undefined) return { run: this.#past(record) };
    return active.record.state === 'ended' ? { run: active } : { run: active, live: active };
  }

  #past(record: RunRecord): PastRun {
    const facts = this.#parts.store.facts(record.id);
    // The records of the first version do not say what kind of call it was.
    const kind = facts?.kind ?? this.#parts.registry().get(record.call)?.kind ?? 'process';
    const { lineBytesMax } = facts ?? this.#parts.limits;
    return new PastRun(record, new PastLog(this.#folderOf(record.id), { shape: shapeOf(kind), lineBytesMax, record }));
  }

  /** Whoever may make the call now, and started this run or may do everything. */
  #mayControl(caller: Caller, record: RunRecord): boolean {
    const { allows, registry, store } = this.#parts;
    const call = registry().get(record.call);
    const scope = call === undefined ? store.facts(record.id)?.scope : call.scope;
    return allows(caller, scope) && (caller.user === record.caller || allows(caller, '*'));
  }

  #create(accepted: Accepted, id: string): Run {
    const { call, params, caller } = accepted;
    const facts = factsOf(accepted, this.#parts.limits);
    const full = this.#queue.refusal(call.name, facts.slot);
    if (full !== undefined) throw new Refusal('refused', full);
    const record: RunRecord = {
      id, call: call.name, params: listed(call, params), caller: caller.user, node: this.#parts.node,
      state: 'queued', queuedAt: new Date().toISOString(), lines: 0, bytes: 0,
    };
    const { limits } = this.#parts;
    const { run, queued } = this.#add({
      record, facts, kept: this.#keep(record, facts), body: (context) => call.body(context),
      log: (onFailure) => RunLog.create(this.#folderOf(id), { shape: shapeOf(call.kind), limits: { ...limits, outputBytesMax: facts.outputBytesMax }, onFailure }),
    });
    run.kept.catch((refusal: Refusal) => {
      this.#active.delete(id);
      run.withdraw(refusal.message);
    });
    this.#queue.enter(queued);
    return run;
  }

  /** Throws Refusal, or rejects with one. */
  #keep(record: RunRecord, facts: RunFacts): Promise<void> {
    const refuse = (error: unknown): never => {
      this.#parts.log.error({ run: record.id, err: error }, 'a run cannot be stored');
      throw new Refusal('refused', `the run cannot be stored: ${storageFailure(error)}`);
    };
    try {
      return this.#parts.store.admit(record, facts).catch(refuse);
    } catch (error) {
      return refuse(error);
    }
  }

  #add(work: Work): { run: Run; queued: Queued } {
    const run = new Run(work, this.#parts);
    const queued: Queued = {
      slot: work.facts.slot,
      go: () => this.#starter.push(() => void run.begin()),
      wait: (position) => run.wait(position),
    };
    this.#active.set(run.id, run);
    this.#parts.onRun?.(run);
    run.onState(({ state }) => {
      if (state === 'ended' || (state === 'cancelling' && !run.begun)) this.#queue.leave(queued);
    });
    void run.ended.then(() => this.#retire(run));
    return { run, queued };
  }

  /** An ended run whose record the disk refuses stays where it is known until it is stored: nothing is told as running for ever. */
  #retire(run: Run): void {
    // Of one that was withdrawn there is nothing to be told, and its id may have been taken by another.
    if (this.#active.get(run.id) !== run) return;
    this.#unstored.settle(run, () => {
      this.#active.delete(run.id);
      this.#parts.onStored?.(run.record);
    });
  }

  #folderOf(id: string): string {
    return join(this.#parts.folder, id);
  }
}
