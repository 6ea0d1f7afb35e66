// The runs that the pin API started: starts them, tracks them to their end, and maintains their index.

import { rm } from 'node:fs/promises';
import type { RunRecord } from '../../../../protocol/run-record.ts';
import { HttpError } from '../../../http/kit/http-error.ts';
import { newId } from '../../../runs/id.ts';
import { RunRejected } from '../../../runs/rejection.ts';
import type { Run } from '../../../runs/run.ts';
import { pinCaller, pinCallName, queueMax, retainedRuns, type WorkspaceChoice } from '../call.ts';
import { type CheckedText, checkText } from '../check-text.ts';
import type { PinDeps, PinError } from '../deps.ts';
import { PinHttpError, toPinError } from '../errors.ts';
import type { EventLog } from '../events/event-log.ts';
import { JobTracker } from './job-tracker.ts';
import { endEvent, errorEvent, type RunOrigin, startEvent, triggerEvent } from './lifecycle-events.ts';
import { forwardLog, replayJobs } from './log-forwarder.ts';
import type { PinEventData } from './map-events.ts';
import { interruptedError, type PinRecord, pinRecord, pinStatus } from './record.ts';
import type { IndexedRun, RunIndex } from './run-index.ts';
import { sendUpload } from './send-upload.ts';

export interface PinRunsDeps extends Pick<PinDeps, 'runs' | 'limits' | 'log' | 'options' | 'plan'> {
  readonly eventLog: EventLog;
  readonly runIndex: RunIndex;
  readonly isStopping: () => boolean;
}

export interface Submission {
  readonly text: Buffer;
  readonly origin: RunOrigin;
  readonly variables?: Readonly<Record<string, string>>;
  /** Path of a tar archive. The submission owns the file and removes it. */
  readonly upload?: string;
}

export interface AcceptedRun {
  readonly id: string;
  /** True if the run has to wait until other runs have ended. */
  readonly isWaiting: boolean;
  /** Warnings about the text. */
  readonly warnings: readonly PinError[];
  /** Resolves with the record after the last event of the run. Never rejects. */
  readonly ended: Promise<PinRecord>;
}

interface ActiveRun {
  readonly run: Run;
  readonly jobs: JobTracker;
  readonly ended: Promise<PinRecord>;
}

export class PinRuns {
  readonly #deps: PinRunsDeps;
  readonly #active = new Map<string, ActiveRun>();
  /** Cache of the records of ended runs, read from the run store and the log. */
  readonly #ended = new Map<string, PinRecord>();
  /** Number of runs that ended since the start of the gateway. */
  executed = 0;
  /** The run that started last; undefined if none has started yet. `startedAt` is RFC 3339. */
  last: { readonly id: string; readonly startedAt: string } | undefined;

  constructor(deps: PinRunsDeps) {
    this.#deps = deps;
    this.last = findLastStarted(deps);
  }

  /**
   * Checks the text of a pipeline and starts its run. Rejects with a PinHttpError if the text is invalid, the queue is
   * full or the gateway is stopping. Removes the upload before it rejects.
   */
  async submit(submission: Submission): Promise<AcceptedRun> {
    try {
      return await this.#start(submission, this.#check(submission));
    } catch (error) {
      if (submission.upload !== undefined) await rm(submission.upload, { force: true });
      throw error;
    }
  }

  /**
   * Emits events for a trigger that was rejected with 400. All other errors go only to the client that made the
   * request.
   */
  reportRejected(origin: RunOrigin, error: HttpError): void {
    const { code, message, status } = toPinError(error);
    if (status !== 400) return;
    const text = code === 'validation_failed' ? message.replace(/^P/, 'p') : message;
    for (const event of [triggerEvent(origin), errorEvent(origin, text)]) this.#deps.eventLog.append(event);
  }

  /** Newest first. */
  async list(limit: number): Promise<readonly PinRecord[]> {
    const entries = this.#deps.runIndex.list().filter(({ id }) => this.#exists(id));
    return Promise.all(entries.slice(0, limit).map((entry) => this.#readRecord(entry)));
  }

  /** Rejects with a PinHttpError if the run does not exist or no longer exists. */
  async record(id: string): Promise<PinRecord> {
    return this.#readRecord(this.get(id));
  }

  /** Throws a PinHttpError if the run does not exist or no longer exists. */
  get(id: string): IndexedRun {
    const entry = this.#deps.runIndex.get(id);
    if (entry !== undefined && this.#exists(id)) return entry;
    throw new PinHttpError('not_found', `no such run ${JSON.stringify(id.slice(0, 100))}`);
  }

  /** Number of the last event of a run; undefined while the run is active. */
  lastEventNumber(id: string): number | undefined {
    return this.#deps.runIndex.get(id)?.to;
  }

  /**
   * Asks a run to stop, and does not wait for its end. Idempotent. Throws a PinHttpError if the run has ended or does
   * not exist.
   */
  cancel(id: string): void {
    this.get(id);
    const active = this.#active.get(id);
    if (active === undefined || active.run.record.state === 'ended')
      throw new PinHttpError('run_finished', `the run ${JSON.stringify(id)} has already ended`);
    active.run.stop('cancelled');
  }

  /** Resolves when all runs have ended and their last events are appended. */
  async idle(): Promise<void> {
    await Promise.all([...this.#active.values()].map(({ ended }) => ended));
  }

  /** Emits the end of runs whose end an earlier process did not emit. Call this once, before the first start. */
  async recoverInterrupted(): Promise<void> {
    const { runIndex, eventLog } = this.#deps;
    const entries = [...runIndex.list()].reverse();
    // An earlier process was killed after it had written the index of these runs, and before their last event was on
    // disk.
    for (const entry of entries.filter(({ to = 0 }) => to > eventLog.count))
      if (this.#exists(entry.id)) this.#conclude(await this.#readRecord(entry), entry);
    for (const entry of entries.filter(({ to }) => to === undefined)) await this.#recover(entry);
  }

  #check({ text, origin }: Submission): CheckedText {
    try {
      return checkText(text, this.#deps.plan);
    } catch (error) {
      if (error instanceof HttpError) this.reportRejected(origin, error);
      throw error;
    }
  }

  async #start(submission: Submission, checked: CheckedText): Promise<AcceptedRun> {
    const { eventLog, runIndex, options } = this.#deps;
    if (this.#deps.isStopping()) throw stoppingError;
    const unended = this.#countUnended();
    if (unended - options.maxConcurrent >= queueMax)
      throw new PinHttpError('queue_full', `${queueMax} pipelines are waiting already; try again later`, {
        headers: { 'Retry-After': '10' },
      });
    const id = newId();
    const { origin, upload } = submission;
    // Write the index before the run starts, so that a restart finds every run.
    runIndex.save({ id, origin, from: eventLog.count });
    const run = this.#startRun(id, submission, checked);
    this.#appendEvent(id, triggerEvent(origin));
    const ended = this.#track(run, new JobTracker());
    if (upload !== undefined) this.#forwardUpload(run, upload);
    await run.persisted.catch((error: unknown) => {
      throw toHttpError(error);
    });
    return { id, isWaiting: unended >= options.maxConcurrent, warnings: checked.planned.diagnostics, ended };
  }

  #startRun(id: string, { origin, variables = {}, upload }: Submission, { text, planned }: CheckedText): Run {
    const { workspace: folder } = this.#deps.options;
    const workspace: WorkspaceChoice = upload !== undefined ? 'input' : folder !== undefined ? 'folder' : 'none';
    // In the order in which the call declares its params.
    const params = [text, JSON.stringify(variables), origin.source, workspace];
    try {
      return this.#deps.runs.start({ id, call: pinCallName, params, caller: pinCaller, planned }).activeRun!;
    } catch (error) {
      this.#deps.runIndex.remove(id);
      throw toHttpError(error);
    }
  }

  #forwardUpload(run: Run, upload: string): void {
    const { limits, log } = this.#deps;
    sendUpload(run, upload, limits().inputBytesMax).catch((error: unknown) =>
      log.error({ run: run.id, err: error }, 'the files of a run cannot be read'),
    );
  }

  #countUnended(): number {
    return [...this.#active.values()].filter(({ run }) => run.record.state !== 'ended').length;
  }

  #track(run: Run, jobs: JobTracker): Promise<PinRecord> {
    const { origin } = this.#deps.runIndex.get(run.id)!;
    const unsubscribe = run.onState(({ id, state, startedAt }) => {
      if (state !== 'running') return;
      if (startedAt !== undefined) this.last = { id, startedAt };
      this.#appendEvent(run.id, startEvent(origin));
    });
    const ended = this.#trackUntilEnd(run, jobs).finally(unsubscribe);
    this.#active.set(run.id, { run, jobs, ended });
    return ended;
  }

  /** Resolves with the record after the end of the run. Never rejects. */
  async #trackUntilEnd(run: Run, jobs: JobTracker): Promise<PinRecord> {
    const { eventLog, log } = this.#deps;
    try {
      await forwardLog(run.log, { run: run.id, jobs, eventLog });
    } catch (error) {
      log.error({ run: run.id, err: error }, 'the log of a run cannot be read');
    }
    const record = await run.ended;
    this.#active.delete(run.id);
    jobs.settle(pinStatus(record));
    this.executed++;
    const entry = this.#deps.runIndex.get(run.id)!;
    return this.#conclude(pinRecord(record, { source: entry.origin.source, jobs: jobs.list() }), entry);
  }

  /**
   * Records the end of a run: saves its index, then appends its last event. A client that receives the event may
   * request the record at once.
   */
  #conclude(record: PinRecord, entry: IndexedRun): PinRecord {
    const { runs, runIndex, eventLog, log } = this.#deps;
    const { id } = record;
    this.#ended.set(id, record);
    try {
      runIndex.save({ ...entry, from: Math.min(entry.from, eventLog.count), to: eventLog.count + 1 });
    } catch (error) {
      log.error({ run: id, err: error }, 'the index of a run cannot be stored');
    }
    this.#appendEvent(id, endEvent(record, entry.origin, runs.get(id)?.durationMs));
    return record;
  }

  async #recover(entry: IndexedRun): Promise<void> {
    const { runs, runIndex } = this.#deps;
    const { id } = entry;
    const run = runs.get(id);
    // The earlier process was killed before the run was stored. No client knows the run.
    if (run === undefined) return runIndex.remove(id);
    const { activeRun } = runs.attach(id, pinCaller);
    if (activeRun !== undefined) return void this.#track(activeRun, new JobTracker());
    const interrupted = run.outcome === 'unknown' || run.outcome === 'rejected';
    const recovered = interrupted ? { ...entry, interrupted } : entry;
    this.#conclude(await this.#readRecord(recovered), recovered);
  }

  /** Returns false for an ended run that retention has removed. */
  #exists(id: string): boolean {
    return this.#active.has(id) || this.#deps.runs.get(id) !== undefined;
  }

  async #readRecord(entry: IndexedRun): Promise<PinRecord> {
    const active = this.#active.get(entry.id);
    if (active !== undefined) return activeRecord(active.run.record, entry.origin, active.jobs);
    const known = this.#ended.get(entry.id);
    if (known !== undefined) return known;
    const record = await this.#restoreRecord(entry);
    if (this.#ended.size >= retainedRuns) this.#ended.clear();
    this.#ended.set(entry.id, record);
    return record;
  }

  /** Reads the run from the run store, and its jobs from the events in its log. */
  async #restoreRecord({ id, origin: { source }, interrupted }: IndexedRun): Promise<PinRecord> {
    const { runs, log } = this.#deps;
    const { record: run, log: lines } = runs.view(id);
    const jobs = new JobTracker();
    await replayJobs(lines, jobs).catch((error: unknown) =>
      log.error({ run: id, err: error }, 'the log of a run cannot be read'),
    );
    jobs.settle(pinStatus(run));
    const record = pinRecord(run, { source, jobs: jobs.list() });
    return interrupted === true ? { ...record, status: 'failed', error: interruptedError } : record;
  }

  #appendEvent(run: string, event: PinEventData): void {
    this.#deps.eventLog.append({ ...event, run_id: run });
  }
}

/** Returns the run of an earlier process that started last. The index is sorted, the newest run first. */
function findLastStarted({ runs, runIndex }: PinRunsDeps): PinRuns['last'] {
  for (const { id } of runIndex.list()) {
    const startedAt = runs.get(id)?.startedAt;
    if (startedAt !== undefined) return { id, startedAt };
  }
  return undefined;
}

const stoppingError = new PinHttpError('not_ready', 'the gateway is stopping', { headers: { 'Retry-After': '1' } });

/** Returns the record with the status running until the last event of the run is appended. */
function activeRecord(run: RunRecord, { source }: RunOrigin, jobs: JobTracker): PinRecord {
  const { state, outcome, endedAt, ...rest } = run;
  return pinRecord({ ...rest, state: state === 'ended' ? 'running' : state }, { source, jobs: jobs.list() });
}

function toHttpError(error: unknown): unknown {
  if (!(error instanceof RunRejected)) return error;
  if (error.code === 'stopping') return stoppingError;
  return new PinHttpError('not_ready', error.message, { headers: { 'Retry-After': '10' } });
}
