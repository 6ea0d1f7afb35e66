// All runs of this gateway: starts, finds, lists and stops them.

import { join } from 'node:path';
import type { Caller } from '../../calls/contract/context.ts';
import { quote } from '../../calls/text/quote.ts';
import type { RunRecord, StopReason } from '../../protocol/run-record.ts';
import { deferred } from '../support/deferred.ts';
import { makeFolder } from '../support/make-folder.ts';
import { newId } from './id.ts';
import { RunLog } from './log/log.ts';
import { StoredLog } from './log/stored-log.ts';
import { type QueuedRun, RunQueue } from './queue.ts';
import { RunRejected } from './rejection.ts';
import { adoptableContainer } from './restart/adoptable.ts';
import { type LateWork, Run, type RunDefinition, type RunDeps } from './run.ts';
import { chooseLogForm, type RunSpec } from './run-spec.ts';
import {
  type AcceptDeps,
  type AcceptedStart,
  acceptStart,
  assertSameRequest,
  createRunSpec,
  recordedParams,
  type StartRequest,
} from './start-request.ts';
import { StartScheduler } from './start-scheduler.ts';
import { RetryWrites } from './store/retry-writes.ts';
import { storageErrorText } from './store/storage-error.ts';
import type { RunListQuery } from './store/store.ts';
import type { OnSettled } from './store/write-batch.ts';
import { type ArtifactFile, type ArtifactList, artifactsName, listArtifacts, openArtifact } from './views/artifacts.ts';
import { EndedRun } from './views/ended-run.ts';
import { type LinesPage, type LinesQuery, readLines } from './views/line-page.ts';
import type { RunView } from './views/run-view.ts';

export type { StartRequest } from './start-request.ts';

export interface RunsDeps extends RunDeps, AcceptDeps {
  /** Contains one folder per run. */
  readonly folder: string;
  readonly node: string;
  /** Returns why new runs cannot be stored at present; undefined if they can. */
  readonly storageProblem: () => string | undefined;
  /** Called for every new or adopted run before its work starts. */
  readonly onRun?: (run: Run) => void;
  /** Called for every ended run once its final record is stored. */
  readonly onStored?: (record: RunRecord, lateWork: LateWork) => void;
}

/** A run, and what one caller may do with it. */
export interface AttachedRun {
  /** For watching: an active run, or an ended run that is read from its files. */
  readonly run: RunView;
  /** The same run while it is active. It accepts clients, input and stop requests. */
  readonly activeRun?: Run;
  /** True if this caller may send input and stop the run. */
  readonly mayControl: boolean;
}

export interface StartResult extends AttachedRun {
  /** True if a run with this id existed and matches the request. False if this request started the run. */
  readonly existing: boolean;
}

export class Runs {
  readonly #deps: RunsDeps;
  /** Runs that have not ended, and ended runs whose final record is not stored yet. */
  readonly #active = new Map<string, Run>();
  readonly #queue: RunQueue;
  readonly #startScheduler = new StartScheduler();
  /** Final records of runs that an earlier gateway lost, until the disk accepts them. */
  readonly #unstored = new Map<string, RunRecord>();
  readonly #retryWrites = new RetryWrites();
  readonly #forceController = new AbortController();
  #stopped = false;

  constructor(deps: RunsDeps) {
    this.#deps = deps;
    this.#queue = new RunQueue(deps.limits);
    makeFolder(deps.folder, 0o750);
  }

  /**
   * Starts a run, or returns the existing run with the requested id if caller, call and params are the same.
   *
   * Checks in the documented order: the run id, the call, its scope, the number of params, the params, the policy, the
   * capacity. Throws RunRejected. A new run is stored when its `persisted` resolves, and starts soon after.
   */
  start(request: StartRequest): StartResult {
    const known = request.id === undefined ? undefined : this.get(request.id);
    if (known !== undefined) {
      assertSameRequest(known, request, this.#deps);
      return { ...this.#findRun(known), mayControl: true, existing: true };
    }
    if (this.#stopped) throw new RunRejected('stopping', 'cancelled: server is shutting down');
    const run = this.#create(acceptStart(request, this.#deps), request.id ?? newId());
    return { run, activeRun: run, mayControl: true, existing: false };
  }

  /** Returns a run in any state, for watching. Throws RunRejected if there is no such run. */
  attach(id: string, caller: Caller): AttachedRun {
    const record = this.#requireRecord(id);
    return { ...this.#findRun(record), mayControl: this.#mayControl(caller, record) };
  }

  /** Like `attach`, for callers that only read. */
  view(id: string): RunView {
    return this.#findRun(this.#requireRecord(id)).run;
  }

  /**
   * Continues a run that an earlier gateway started. It counts as running; `body` resumes its work and waits for its
   * end.
   */
  adopt(definition: RunDefinition): Run {
    const { run, queued } = this.#register(definition);
    this.#queue.addRunning(queued);
    void run.start();
    return run;
  }

  get(id: string): RunRecord | undefined {
    return this.#unwritten(id) ?? this.#deps.store.get(id);
  }

  /** Runs that have not ended. */
  activeRuns(): readonly Run[] {
    return [...this.#active.values()].filter((run) => run.state !== 'ended');
  }

  /** Lists runs, newest first. `next` is the value of `before` for the next page; it is absent on the last page. */
  list(page: RunListQuery): { runs: readonly RunRecord[]; next?: string } {
    const found = this.#deps.store.list({ ...page, limit: page.limit + 1 });
    const runs = found.slice(0, page.limit).map((record) => this.#unwritten(record.id) ?? record);
    const last = runs.at(-1);
    return found.length > page.limit && last !== undefined ? { runs, next: last.id } : { runs };
  }

  countByState(): Readonly<Record<string, number>> {
    const active = this.activeRuns().map((run) => run.state);
    const stored = Object.values(this.#deps.store.countByState()).reduce((sum, count) => sum + count, 0);
    const counted: Record<string, number> = { ended: stored - active.length };
    for (const state of active) counted[state] = (counted[state] ?? 0) + 1;
    return counted;
  }

  /** Reads stored lines of an existing run. Rejects if its log cannot be read. */
  lines(id: string, query: LinesQuery): Promise<LinesPage> {
    const record = this.get(id);
    return readLines(this.#runFolder(id), query, { ended: record?.state === 'ended', lines: record?.lines ?? 0 });
  }

  /** Lists at most `max` artifacts of an existing run. */
  artifacts(id: string, max: number): Promise<ArtifactList> {
    return listArtifacts(join(this.#runFolder(id), artifactsName), max);
  }

  /** Opens one artifact; undefined if there is none with this path. */
  artifact(id: string, path: string): Promise<ArtifactFile | undefined> {
    return openArtifact(join(this.#runFolder(id), artifactsName), path);
  }

  /** Rejects new runs from now on and stops the queued ones. Running ones continue. */
  stopAccepting(): void {
    this.#stopped = true;
    for (const run of this.activeRuns()) if (run.record.state === 'queued') run.stop('shutdown');
  }

  /** Resolves when no run is active, after `withinMs`, or after `forceStopAll`. */
  async drained(withinMs: number): Promise<void> {
    const { signal } = this.#forceController;
    if (signal.aborted) return;
    const timeUp = deferred<void>();
    const timer = setTimeout(timeUp.resolve, withinMs).unref();
    signal.addEventListener('abort', () => timeUp.resolve(), { once: true });
    await Promise.race([timeUp.promise, Promise.all(this.activeRuns().map((run) => run.ended))]);
    clearTimeout(timer);
  }

  /** Leaves the runs that another gateway process can continue to it. Returns their number. */
  async handOver(): Promise<number> {
    const { store } = this.#deps;
    const adoptable = this.activeRuns().filter(
      (run) => adoptableContainer(run.record, run.spec, store.openObligations(run.id)) !== undefined,
    );
    for (const run of adoptable) this.#active.delete(run.id);
    await Promise.all(adoptable.map((run) => run.handOver()));
    return adoptable.length;
  }

  /** Rejects new runs from now on, stops all active ones, and resolves when they have ended. */
  async stopAll(reason: StopReason): Promise<void> {
    this.#stopped = true;
    const runs = [...this.#active.values()];
    for (const run of runs) run.stop(reason);
    await Promise.all(runs.map((run) => run.ended));
    this.#retryWrites.close();
    this.#deps.store.flush();
  }

  /** Skips the rest of every grace and ends the wait in `drained`. Idempotent. */
  forceStopAll(): void {
    this.#forceController.abort();
    for (const run of this.#active.values()) run.forceStop();
  }

  /** Returns the present record of a run if the store may have an older one; otherwise undefined. */
  #unwritten(id: string): RunRecord | undefined {
    return this.#active.get(id)?.record ?? this.#unstored.get(id);
  }

  #requireRecord(id: string): RunRecord {
    const record = this.get(id);
    if (record === undefined) throw new RunRejected('unknown-run', `no such run ${quote(id)}`);
    return record;
  }

  #findRun(record: RunRecord): { run: RunView; activeRun?: Run } {
    const active = this.#active.get(record.id);
    if (active === undefined) return { run: this.#endedRun(record) };
    return active.record.state === 'ended' ? { run: active } : { run: active, activeRun: active };
  }

  #endedRun(record: RunRecord): EndedRun {
    const spec = this.#deps.store.getSpec(record.id);
    // Records of the first version of the gateway do not contain the kind of call.
    const kind = spec?.kind ?? this.#deps.registry().get(record.call)?.kind ?? 'process';
    const { lineBytesMax } = spec ?? this.#deps.limits;
    return new EndedRun(
      record,
      new StoredLog(this.#runFolder(record.id), { ...chooseLogForm({ ...spec, kind }), lineBytesMax, record }),
      spec?.bytes,
    );
  }

  /** True if the caller may make this call and either started the run or holds scope `*`. */
  #mayControl(caller: Caller, record: RunRecord): boolean {
    const { allows, registry, store } = this.#deps;
    const call = registry().get(record.call);
    const scope = call === undefined ? store.getSpec(record.id)?.scope : call.scope;
    return allows(caller, scope) && (caller.user === record.caller || allows(caller, '*'));
  }

  #create(accepted: AcceptedStart, id: string): Run {
    const { call, params, caller, planned } = accepted;
    const spec = createRunSpec(accepted, this.#deps.limits);
    const rejectionReason = this.#queue.rejectionReason(call.name, spec.slot);
    if (rejectionReason !== undefined) throw new RunRejected('busy', rejectionReason);
    const problem = this.#deps.storageProblem();
    if (problem !== undefined) throw new RunRejected('storage', `the run cannot be stored: ${problem}`);
    const record: RunRecord = {
      id,
      call: call.name,
      params: recordedParams(call, params),
      ...(planned?.title !== undefined && { title: planned.title }),
      caller: caller.user,
      node: this.#deps.node,
      state: 'queued',
      queuedAt: new Date().toISOString(),
      lines: 0,
      bytes: 0,
      ...(spec.bytes?.includes('output') && { output: 'bytes' }),
    };
    const { limits } = this.#deps;
    const { run, queued } = this.#register({
      record,
      spec,
      persisted: this.#persist(record, spec),
      body: (context) => call.body(planned === undefined ? context : { ...context, planned }),
      log: (onFailure) =>
        RunLog.create(this.#runFolder(id), {
          ...chooseLogForm(spec),
          limits: { ...limits, outputBytesMax: spec.outputBytesMax },
          onFailure,
        }),
    });
    run.persisted.catch((rejection: RunRejected) => {
      this.#active.delete(id);
      run.rejectUnpersisted(rejection.message);
    });
    this.#queue.enqueue(queued);
    return run;
  }

  /** Throws RunRejected or rejects with it if the run cannot be stored. */
  #persist(record: RunRecord, spec: RunSpec): Promise<void> {
    const reject = (error: unknown): never => {
      this.#deps.log.error({ run: record.id, err: error }, 'cannot store a run');
      throw new RunRejected('storage', `the run cannot be stored: ${storageErrorText(error)}`);
    };
    try {
      return this.#deps.store.insertBatched(record, spec).catch(reject);
    } catch (error) {
      return reject(error);
    }
  }

  #register(definition: RunDefinition): { run: Run; queued: QueuedRun } {
    const run = new Run(definition, this.#deps);
    const queued: QueuedRun = {
      keyLimit: definition.spec.slot,
      start: () => this.#startScheduler.push(() => void run.start()),
      onPosition: (position) => run.notifyQueued(position),
    };
    this.#active.set(run.id, run);
    this.#deps.onRun?.(run);
    run.onState(({ state }) => {
      if (state === 'ended' || (state === 'cancelling' && !run.started)) this.#queue.remove(queued);
    });
    void run.ended.then(() => this.#retire(run));
    return { run, queued };
  }

  /**
   * Removes an ended run from the active ones once its record is stored. Before that, it would be listed as still
   * running.
   */
  #retire(run: Run): void {
    // A run that could not be stored is already removed. Another run may have its id by now.
    if (this.#active.get(run.id) !== run) return;
    const onStored = (): void => {
      this.#active.delete(run.id);
      this.#deps.onStored?.(run.record, run.lateWork);
    };
    if (run.isSaved) return onStored();
    const { store } = this.#deps;
    this.#retryWrites.add((onSettled) => store.updateBatched(run.record, onSettled), onStored);
  }

  /**
   * Stores the final record of a run that an earlier gateway lost. Until the disk accepts it, the run is listed as
   * ended.
   */
  storeLost(record: RunRecord): void {
    const { store, log } = this.#deps;
    this.#unstored.set(record.id, record);
    const onStored = (): void => void this.#unstored.delete(record.id);
    const write = (onSettled: OnSettled): void => store.updateBatched(record, onSettled);
    write((error) => {
      if (error === undefined) return onStored();
      log.error({ run: record.id, err: error }, 'cannot store the end of a run; trying again');
      this.#retryWrites.add(write, onStored);
    });
  }

  #runFolder(id: string): string {
    return join(this.#deps.folder, id);
  }
}
