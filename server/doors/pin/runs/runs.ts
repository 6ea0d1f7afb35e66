// The runs that came through this door: started, followed to their end, and remembered.

import { rm } from 'node:fs/promises';
import type { RunRecord } from '../../../../protocol/record.ts';
import { newId } from '../../../runs/id.ts';
import { Refusal } from '../../../runs/refusal.ts';
import type { Run } from '../../../runs/run.ts';
import { doorCaller, paramsOf, pinCallName, queueMax, type PinRequest } from '../call.ts';
import type { Journal } from '../events/journal.ts';
import type { PinParts } from '../parts.ts';
import { PinRefusal } from '../refusal.ts';
import { feed } from './feed.ts';
import { follow, lookBack } from './follower.ts';
import { Jobs } from './jobs.ts';
import type { Entry, Ledger } from './ledger.ts';
import { lostError, pinRecord, statusOf, type PinRecord } from './record.ts';
import { finished, started, triggered, type Origin } from './told.ts';
import type { Said } from './translate.ts';

export interface PinRunsParts extends Pick<PinParts, 'runs' | 'limits' | 'log' | 'options'> {
  readonly journal: Journal;
  readonly ledger: Ledger;
}

export interface Wanted extends PinRequest {
  readonly origin: Origin;
  /** Of its files, which are its own from now on. */
  readonly upload?: string;
}

export interface Accepted {
  readonly id: string;
  /** Others come first. */
  readonly waits: boolean;
  /** The record when it is over and all of it is told; never rejects. */
  readonly over: Promise<PinRecord>;
}

interface Live {
  readonly run: Run;
  readonly jobs: Jobs;
  readonly over: Promise<PinRecord>;
}

export class PinRuns {
  readonly #parts: PinRunsParts;
  readonly #live = new Map<string, Live>();
  #stopping = false;
  /** That have come to an end since the door was opened. */
  executed = 0;
  /** The id of the last of them. */
  last: string | null;

  constructor(parts: PinRunsParts) {
    this.#parts = parts;
    this.last = parts.ledger.list().find(({ record }) => record.completed_at !== undefined)?.record.id ?? null;
  }

  /** Starts a run whose text has been checked. Throws a PinRefusal when there is no room, or the gateway is stopping; the upload is removed then. */
  async start(wanted: Wanted): Promise<Accepted> {
    try {
      return await this.#start(wanted);
    } catch (error) {
      if (wanted.upload !== undefined) await rm(wanted.upload, { force: true });
      throw error;
    }
  }

  /** Newest first. */
  list(limit: number): readonly PinRecord[] {
    return this.#parts.ledger.list().slice(0, limit).map((entry) => this.#recordOf(entry));
  }

  /** Throws a PinRefusal when there is no such run any more. */
  get(id: string): Entry {
    const entry = this.#parts.ledger.get(id);
    if (entry === undefined) throw new PinRefusal('not_found', `no such run ${JSON.stringify(id.slice(0, 100))}`);
    return { ...entry, record: this.#recordOf(entry) };
  }

  /** The number of its last event; undefined while that is to come. */
  endOf(id: string): number | undefined {
    return this.#parts.ledger.get(id)?.to;
  }

  /** Asks it to stop, and does not wait for that. Safe twice. Throws a PinRefusal when it is over. */
  cancel(id: string): void {
    this.get(id);
    const live = this.#live.get(id);
    if (live === undefined || live.run.record.state === 'ended') throw new PinRefusal('run_finished', `the run ${JSON.stringify(id)} is over`);
    live.run.stop('cancelled');
  }

  /** Starts no more. */
  admitNoMore(): void {
    this.#stopping = true;
  }

  /** Resolves when all that was started is over and told. */
  async idle(): Promise<void> {
    await Promise.all([...this.#live.values()].map(({ over }) => over));
  }

  /** Those of which an earlier gateway did not see the end: it is told now. To be called once, before the first is started. */
  async settleLost(): Promise<void> {
    const { ledger, journal } = this.#parts;
    const entries = [...ledger.list()].reverse();
    // The gateway was killed when the end was written down, and the event was not on the disk yet.
    const untold = entries.filter(({ to = 0 }) => to > journal.count);
    for (const { record, origin, from } of untold) this.#conclude(record, { origin, from: Math.min(from, journal.count) });
    for (const entry of entries.filter(({ record }) => record.completed_at === undefined)) await this.#settle(entry);
  }

  async #start(wanted: Wanted): Promise<Accepted> {
    const { journal, ledger, options } = this.#parts;
    if (this.#stopping) throw stopping;
    const busy = this.#busy();
    if (busy - options.maxConcurrent >= queueMax) throw new PinRefusal('queue_full', `${queueMax} pipelines are waiting already; try again later`, { headers: { 'Retry-After': '10' } });
    const id = newId();
    const { source, origin, upload } = wanted;
    const queuedAt = new Date().toISOString();
    const record: PinRecord = { id, status: 'queued', source, queued_at: queuedAt, started_at: queuedAt, jobs: [] };
    // Before the run: what is started and cannot be found again would be lost.
    ledger.keep({ record, origin, from: journal.count });
    const run = this.#begin(id, wanted);
    this.#tell(id, triggered(origin));
    const over = this.#see(run, new Jobs());
    if (upload !== undefined) this.#feed(run, upload);
    await run.kept.catch((error: unknown) => { throw refused(error); });
    return { id, waits: busy >= options.maxConcurrent, over };
  }

  #begin(id: string, wanted: Wanted): Run {
    try {
      return this.#parts.runs.start({ id, call: pinCallName, params: paramsOf(wanted), caller: doorCaller }).live!;
    } catch (error) {
      this.#parts.ledger.forget(id);
      throw refused(error);
    }
  }

  #feed(run: Run, upload: string): void {
    const { limits, log } = this.#parts;
    feed(run, upload, limits().inputBytesMax).catch((error: unknown) => log.error({ run: run.id, err: error }, 'the files of a run cannot be read'));
  }

  #busy(): number {
    return [...this.#live.values()].filter(({ run }) => run.record.state !== 'ended').length;
  }

  #see(run: Run, jobs: Jobs): Promise<PinRecord> {
    const { origin } = this.#parts.ledger.get(run.id)!;
    const unheard = run.onState(({ state }) => { if (state === 'running') this.#tell(run.id, started(origin)); });
    const over = this.#toTheEnd(run, jobs).finally(unheard);
    this.#live.set(run.id, { run, jobs, over });
    return over;
  }

  /** Never rejects. */
  async #toTheEnd(run: Run, jobs: Jobs): Promise<PinRecord> {
    const { journal, log } = this.#parts;
    try {
      await follow(run.log, { run: run.id, jobs, journal });
    } catch (error) {
      log.error({ run: run.id, err: error }, 'the log of a run cannot be read');
    }
    const record = await run.ended;
    this.#live.delete(run.id);
    jobs.settle(statusOf(record));
    this.executed++;
    const entry = this.#parts.ledger.get(run.id)!;
    return this.#conclude(pinRecord(record, { source: entry.origin.source, jobs: jobs.list() }), entry);
  }

  /** Remembered first: whoever hears of the end may ask for the record at once. */
  #conclude(record: PinRecord, { origin, from }: Pick<Entry, 'origin' | 'from'>): PinRecord {
    const { ledger, journal, log } = this.#parts;
    this.last = record.id;
    try {
      ledger.keep({ record, origin, from, to: journal.count + 1 });
    } catch (error) {
      log.error({ run: record.id, err: error }, 'the record of a run cannot be stored');
    }
    this.#tell(record.id, finished(record, origin));
    return record;
  }

  async #settle(entry: Entry): Promise<void> {
    const { runs, ledger, log } = this.#parts;
    const { id } = entry.record;
    const run = runs.get(id);
    // It was not started: the gateway was killed before it was stored, and nobody was told of it.
    if (run === undefined) return ledger.forget(id);
    const { live } = runs.attach(id, doorCaller);
    if (live !== undefined) return void this.#see(live, new Jobs());
    const jobs = new Jobs();
    await lookBack(runs.watch(id).log, jobs).catch((error: unknown) => log.error({ run: id, err: error }, 'the log of a run cannot be read'));
    jobs.settle(statusOf(run));
    const record = pinRecord(run, { source: entry.origin.source, jobs: jobs.list() });
    const isLost = run.outcome === 'unknown' || run.outcome === 'rejected';
    this.#conclude(isLost ? { ...record, status: 'failed', error: lostError } : record, { ...entry, from: Math.min(entry.from, this.#parts.journal.count) });
  }

  #recordOf({ record, origin }: Entry): PinRecord {
    const live = this.#live.get(record.id);
    return live === undefined ? record : running(live.run.record, origin, live.jobs);
  }

  #tell(run: string, said: Said): void {
    this.#parts.journal.append({ ...said, run_id: run });
  }
}

const stopping = new PinRefusal('not_ready', 'the gateway is stopping', { headers: { 'Retry-After': '1' } });

/** Until its end is told it goes on. */
function running(run: RunRecord, { source }: Origin, jobs: Jobs): PinRecord {
  const { state, outcome, endedAt, ...rest } = run;
  return pinRecord({ ...rest, state: state === 'ended' ? 'running' : state }, { source, jobs: jobs.list() });
}

function refused(error: unknown): unknown {
  if (!(error instanceof Refusal)) return error;
  if (error.ending === 'shutdown') return stopping;
  return new PinRefusal('not_ready', error.message, { headers: { 'Retry-After': '10' } });
}
