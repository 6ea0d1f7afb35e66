// Removes what is not to be kept: records and logs of runs that ended long ago, and the oldest output where there is too much.

import { renameSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RunRecord } from '../../protocol/record.ts';
import type { Logger } from '../support/logger.ts';
import { artifactBytes, artifactsName } from './artifacts.ts';
import { dropSegments, listSegments, type SegmentSize } from './log/segments.ts';
import { planRetention, type Kept, type Plan, type Rules } from './retention-plan.ts';
import type { RunStore } from './store.ts';

/** Of a run that goes on what retention looks at. */
export interface Growing {
  readonly id: string;
  readonly record: Pick<RunRecord, 'call'>;
  readonly log: { segments(): Promise<readonly SegmentSize[]>; dropSegments(below: number): Promise<number> };
}

export interface RetentionParts {
  readonly store: Pick<RunStore, 'list' | 'get' | 'owing' | 'forget'>;
  /** Holds a folder for each run. */
  readonly folder: string;
  /** Asked for at each sweep. */
  readonly rules: () => Rules;
  readonly growing: () => Iterable<Growing>;
  /** Between two sweeps when no run ends. */
  readonly sweepMs: () => number;
  readonly log: Logger;
}

/** Where folders wait for their removal; no run can have this name. */
export const trashName = '.trash';

/** From a run's end to the sweep: many runs that end together are one sweep. */
const soonMs = 1_000;
/** Records read, or runs forgotten, before others have their turn. */
const turnRuns = 200;

interface Ended {
  readonly id: string;
  readonly call: string;
  readonly endedMs: number;
  /** Of a log that nobody writes: they change only by our own hand. Absent: not looked at yet. */
  segments?: readonly SegmentSize[];
  /** The same of what its jobs made. */
  artifactBytes?: number;
}

export class Retention {
  readonly #parts: RetentionParts;
  /** Every run that has ended, in that order. */
  #ended: Ended[] = [];
  #timer: NodeJS.Timeout | undefined;
  #soon = false;
  #sweeping: Promise<void> | undefined;
  #stopped = false;
  #discarded = 0;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Finishes what an earlier gateway began, reads what there is, and sweeps. To be called once, when the store has no run of an earlier gateway that goes on. */
  start(): void {
    this.#sweeping = this.#begin().catch((error: unknown) => this.#fault(error)).finally(() => this.#rest());
  }

  /** A run has ended, and its record is stored. */
  ended({ id, call, endedAt }: RunRecord): void {
    this.#ended.push({ id, call, endedMs: Date.parse(endedAt ?? '') || Date.now() });
    if (!this.#soon) this.#later(soonMs);
    this.#soon = true;
  }

  /** Removes nothing more. Resolves when nothing is under way. Safe twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  /** Sweeps now, or once more when a sweep is under way. Resolves when it is done; never rejects. */
  async sweep(): Promise<void> {
    await this.#sweeping;
    if (this.#stopped) return;
    this.#soon = false;
    this.#sweeping = this.#sweep().catch((error: unknown) => this.#fault(error)).finally(() => this.#rest());
    await this.#sweeping;
  }

  #rest(): void {
    this.#sweeping = undefined;
    this.#later(this.#soon ? soonMs : this.#parts.sweepMs());
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#sweeping !== undefined) return;
    this.#timer = setTimeout(() => void this.sweep(), ms).unref();
  }

  async #begin(): Promise<void> {
    await rm(join(this.#parts.folder, trashName), { recursive: true, force: true });
    await mkdir(join(this.#parts.folder, trashName), { recursive: true, mode: 0o750 });
    await this.#readRecords();
    await this.#removeOrphans();
    await this.#sweep();
  }

  /** Newest first in the store, by their start; those that have ended since are told by `ended`. */
  async #readRecords(): Promise<void> {
    const found = new Map<string, Ended>();
    for (let before: string | undefined; ;) {
      const page = this.#parts.store.list({ limit: turnRuns, ...(before !== undefined && { before }) });
      for (const { id, call, state, endedAt } of page) if (state === 'ended') found.set(id, { id, call, endedMs: Date.parse(endedAt ?? '') || 0 });
      before = page.at(-1)?.id;
      if (page.length < turnRuns || this.#stopped) break;
      await nextTurn();
    }
    for (const { id } of this.#ended) found.delete(id);
    this.#ended = [...[...found.values()].sort((a, b) => a.endedMs - b.endedMs), ...this.#ended];
  }

  /** Logs of which there is no record: a gateway was killed between the two. A run has its record before it has its folder. */
  async #removeOrphans(): Promise<void> {
    const known = new Set(this.#ended.map(({ id }) => id));
    for (const name of await readdir(this.#parts.folder)) {
      if (this.#stopped) return;
      if (name === trashName || known.has(name) || this.#parts.store.get(name) !== undefined) continue;
      this.#parts.log.warn({ run: name }, 'a log without a record is removed');
      this.#discard(name);
    }
    await this.#emptyTrash();
  }

  async #sweep(): Promise<void> {
    // Both at the same moment: a run is in one of them.
    const growing = [...this.#parts.growing()];
    const ended = [...this.#ended];
    const owing = new Set(this.#parts.store.owing());
    const kept: Kept[] = [];
    for (const run of ended) kept.push({ ...await this.#looked(run), owing: owing.has(run.id) });
    for (const { id, record, log } of growing) {
      kept.push({ id, call: record.call, owing: true, segments: await log.segments(), artifactBytes: await this.#artifactBytes(id) });
    }
    if (this.#stopped) return;
    await this.#perform(planRetention(kept, this.#parts.rules(), Date.now()), growing);
  }

  async #looked(run: Ended): Promise<Omit<Kept, 'owing'>> {
    run.segments ??= await listSegments(join(this.#parts.folder, run.id));
    run.artifactBytes ??= await this.#artifactBytes(run.id);
    return { ...run, segments: run.segments };
  }

  #artifactBytes(run: string): Promise<number> {
    return artifactBytes(join(this.#parts.folder, run, artifactsName));
  }

  async #perform({ forget, drop }: Plan, growing: readonly Growing[]): Promise<void> {
    const gone = new Set<string>();
    for (const [at, id] of forget.entries()) {
      if (this.#stopped) break;
      if (this.#forget(id)) gone.add(id);
      if (at % turnRuns === turnRuns - 1) await nextTurn();
    }
    if (gone.size > 0) this.#ended = this.#ended.filter(({ id }) => !gone.has(id));
    for (const { id, below } of drop) if (!this.#stopped) await this.#drop(id, below, growing);
    if (forget.length + drop.length > 0) this.#parts.log.info({ forgotten: gone.size, shortened: drop.length }, 'old runs were removed');
    await this.#emptyTrash();
  }

  /** The record first: a log without a record is found by the next start, a record without its log would promise what is not there. */
  #forget(id: string): boolean {
    if (!this.#parts.store.forget(id)) return false;
    this.#discard(id);
    return true;
  }

  /** In one step, so that the name is free for another run at once. */
  #discard(id: string): void {
    try {
      renameSync(join(this.#parts.folder, id), join(this.#parts.folder, trashName, String(this.#discarded += 1)));
    } catch (error) {
      // A run that never started has no log.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  async #drop(id: string, below: number, growing: readonly Growing[]): Promise<void> {
    const run = this.#ended.find((ended) => ended.id === id);
    if (run === undefined) return void await growing.find((one) => one.id === id)?.log.dropSegments(below);
    await dropSegments(join(this.#parts.folder, id), below);
    delete run.segments;
  }

  /** One file after the other, by threads of their own: large ones take their time. */
  async #emptyTrash(): Promise<void> {
    const trash = join(this.#parts.folder, trashName);
    for (const name of await readdir(trash)) await rm(join(trash, name), { recursive: true, force: true });
  }

  #fault(error: unknown): void {
    this.#parts.log.error({ err: error }, 'old runs could not be removed');
  }
}
