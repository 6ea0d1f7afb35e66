// Removes old runs that exceed the maximum age or number, and the oldest output that exceeds the maximum size.
//
// A sweep takes time proportional to what it removes: the store knows the totals and the order of the runs.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Retention as Rule } from '../../../calls/contract/call.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { Logger } from '../../support/logger.ts';
import type { ClosedSegment } from '../log/options.ts';
import type { RunStore } from '../store/store.ts';
import { RunFiles } from './run-files.ts';

/** What retention needs of an active run. */
export interface ActiveRun {
  readonly id: string;
  readonly record: Pick<RunRecord, 'call'>;
  readonly log: {
    readonly storedBytes: number;
    readonly closedSegments: readonly ClosedSegment[];
    dropSegments(below: number): Promise<number>;
  };
}

export interface RetentionRules {
  /** Applies to the runs of all calls together. */
  readonly overall: Required<Rule>;
  forCall(call: string): Rule | undefined;
}

export interface RetentionDeps {
  readonly store: Pick<
    RunStore,
    | 'totals'
    | 'oldest'
    | 'unmeasured'
    | 'setDiskBytes'
    | 'deleteRuns'
    | 'saveAgeClock'
    | 'machineRestarted'
    | 'get'
    | 'reserve'
  >;
  /** Contains one folder per run. */
  readonly folder: string;
  /** Returns the present rules. Called at each sweep. */
  readonly rules: () => RetentionRules;
  readonly activeRuns: () => Iterable<ActiveRun>;
  /** Time between two sweeps if no run ends, in milliseconds. */
  readonly intervalMs: () => number;
  readonly log: Logger;
}

/** Delay between the end of a run and the sweep, so that many ended runs cause only one sweep. */
const sweepDelayMs = 1_000;
/** Number of runs that are removed or measured before the sweep yields to the event loop. */
const batchSize = 200;
/** Number of runs that one sweep measures. The next sweep measures the rest. */
const measuredMax = 2_000;
const saveClockEveryMs = 600_000;

/** A rule and the runs that it applies to. */
interface Scope {
  /** Absent: runs of all calls. */
  readonly call?: string;
  readonly rule: Rule;
  readonly activeRuns: readonly ActiveRun[];
}

export class Retention {
  readonly #deps: RetentionDeps;
  readonly #files: RunFiles;
  #timer: NodeJS.Timeout | undefined;
  #sweepRequested = false;
  #sweeping: Promise<void> | undefined;
  #stopped = false;
  #removed = 0;
  #shortened = 0;
  #clockSavedMs = -Infinity;

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
    this.#files = new RunFiles(deps.folder);
  }

  /**
   * Completes removals of an earlier gateway and sweeps. After a restart of the machine, also removes logs without a
   * record. Call it once, after all runs of an earlier gateway are adopted or ended.
   */
  start(): void {
    this.#run(async () => {
      await this.#files.open();
      await this.#sweep();
      if (this.#deps.store.machineRestarted) await this.#removeOrphans();
    });
  }

  /** Requests a sweep soon, because a run has ended or space is short. */
  requestSweep(): void {
    if (!this.#sweepRequested) this.#scheduleSweep(sweepDelayMs);
    this.#sweepRequested = true;
  }

  /** Stops all removals. Resolves when no sweep is running. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  /** Sweeps once, after a sweep that is already running. Resolves when the sweep is complete; never rejects. */
  async sweep(): Promise<void> {
    await this.#sweeping;
    if (this.#stopped) return;
    this.#sweepRequested = false;
    this.#run(() => this.#sweep());
    await this.#sweeping;
  }

  #run(work: () => Promise<void>): void {
    this.#sweeping = work()
      .catch((error: unknown) => this.#deps.log.error({ err: error }, 'cannot remove old runs'))
      .finally(() => {
        this.#sweeping = undefined;
        this.#scheduleSweep(this.#sweepRequested ? sweepDelayMs : this.#deps.intervalMs());
      });
  }

  #scheduleSweep(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#sweeping !== undefined) return;
    this.#timer = setTimeout(() => void this.sweep(), ms).unref();
  }

  async #sweep(): Promise<void> {
    await this.#measure();
    const { overall, forCall } = this.#deps.rules();
    const activeRuns = [...this.#deps.activeRuns()];
    const calls = new Set(
      [...this.#deps.store.totals(), ...activeRuns.map(({ record }) => record)].map((one) => one.call),
    );
    for (const call of calls) {
      const rule = forCall(call);
      if (rule !== undefined)
        await this.#apply({ call, rule, activeRuns: activeRuns.filter(({ record }) => record.call === call) });
    }
    await this.#apply({ rule: overall, activeRuns });
    this.#report();
    this.#saveClock();
    this.#deps.store.reserve.hold();
  }

  /** Measures runs whose size is unknown: pipelines with artifacts, and runs that an earlier gateway lost. */
  async #measure(): Promise<void> {
    for (let measured = 0; measured < measuredMax && !this.#stopped; measured += batchSize) {
      const unmeasured = this.#deps.store.unmeasured(batchSize);
      for (const id of unmeasured) this.#deps.store.setDiskBytes(id, await this.#files.measure(id));
      if (unmeasured.length < batchSize) return;
    }
    this.#sweepRequested = true;
  }

  async #apply(scope: Scope): Promise<void> {
    await this.#applyAge(scope);
    await this.#applyCount(scope);
    await this.#applyBytes(scope);
  }

  async #applyAge({ call, rule: { ageMs = Infinity } }: Scope): Promise<void> {
    if (ageMs === Infinity) return;
    for (let more = true; more; ) {
      const old = this.#deps.store.oldest({ call, limit: batchSize }).filter((run) => run.ageMs > ageMs);
      more = (await this.#remove(old.map(({ id }) => id))) === batchSize;
    }
  }

  async #applyCount({ call, rule: { runs = Infinity } }: Scope): Promise<void> {
    for (let excess = this.#total(call, 'runs') - runs; excess > 0; ) {
      const old = this.#deps.store.oldest({ call, limit: Math.min(batchSize, excess) });
      const removed = await this.#remove(old.map(({ id }) => id));
      if (removed === 0) return;
      excess -= removed;
    }
  }

  /**
   * Removes the oldest output: output of ended runs, and complete segments of active runs. If an ended run would have
   * no output left, removes its record as well.
   */
  async #applyBytes({ call, rule: { bytes = Infinity }, activeRuns }: Scope): Promise<void> {
    const ended = this.#total(call, 'bytes');
    const excessWith = (active: readonly ActiveRun[]): number =>
      active.reduce((sum, { log }) => sum + log.storedBytes, ended) - bytes;
    if (!(excessWith(activeRuns) > 0)) return;
    // The total has the output of runs that have ended since the list was made. Counted twice, it would be removed.
    const running = activeRuns.filter(({ id }) => this.#deps.store.get(id)?.state !== 'ended');
    let excess = excessWith(running);
    const segments = running
      .flatMap(({ log }) => log.closedSegments.map((segment) => ({ log, segment })))
      .sort((a, b) => a.segment.closedMs - b.segment.closedMs);
    while (excess > 0 && !this.#stopped) {
      const old = this.#deps.store.oldest({ call, withFiles: true, limit: batchSize });
      const [next] = segments;
      const whole: string[] = [];
      let freed = 0;
      for (const run of old) {
        if (freed >= excess || (next !== undefined && performance.now() - next.segment.closedMs > run.ageMs)) break;
        freed += await this.#shorten(run.id, run.bytes, excess - freed, whole);
      }
      await this.#remove(whole);
      if (freed === 0) {
        if (next === undefined) return;
        segments.shift();
        freed = await next.log.dropSegments(next.segment.number + 1);
        this.#shortened += 1;
      }
      excess -= freed;
    }
  }

  /**
   * Frees `excess` bytes of an ended run. Adds the run to `whole` if it has to be removed entirely. Returns the freed
   * bytes.
   */
  async #shorten(id: string, bytes: number, excess: number, whole: string[]): Promise<number> {
    if (bytes > excess) {
      const freed = await this.#files.shorten(id, excess);
      if (freed >= excess) {
        this.#shortened += 1;
        this.#deps.store.setDiskBytes(id, bytes - freed);
        return freed;
      }
    }
    whole.push(id);
    return bytes;
  }

  /**
   * Removes the files before the records: on a full disk, records can be deleted only when there is space again. After
   * a crash in between, the run is listed with its output removed, and the next sweep removes the record. Returns the
   * number of removed runs.
   */
  async #remove(ids: readonly string[]): Promise<number> {
    if (ids.length === 0 || this.#stopped) return 0;
    await this.#files.remove(ids);
    const { length } = this.#deps.store.deleteRuns(ids);
    this.#removed += length;
    await nextTurn();
    return length;
  }

  #total(call: string | undefined, of: 'runs' | 'bytes'): number {
    return this.#deps.store
      .totals()
      .filter((total) => call === undefined || total.call === call)
      .reduce((sum, total) => sum + total[of], 0);
  }

  /**
   * Removes logs without a record, which exist if a power failure lost records. A new run is never affected, because
   * its record exists before its folder.
   */
  async #removeOrphans(): Promise<void> {
    for await (const unrecorded of this.#files.unknown((run) => this.#deps.store.get(run) !== undefined)) {
      if (this.#stopped) return;
      for (const run of unrecorded) this.#deps.log.warn({ run }, 'removing a log without a record');
      await this.#files.remove(unrecorded);
    }
  }

  #report(): void {
    if (this.#removed + this.#shortened > 0)
      this.#deps.log.info({ removed: this.#removed, shortened: this.#shortened }, 'removed old runs');
    this.#removed = 0;
    this.#shortened = 0;
  }

  #saveClock(): void {
    if (performance.now() - this.#clockSavedMs < saveClockEveryMs) return;
    this.#deps.store.saveAgeClock();
    this.#clockSavedMs = performance.now();
  }
}
