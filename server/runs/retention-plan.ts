// What retention removes: decided from what is known of the runs and the rules, and nothing else.

import type { Retention } from '../../calls/contract/call.ts';

export interface Kept {
  readonly id: string;
  readonly call: string;
  /** Milliseconds since 1970; absent: the run goes on. */
  readonly endedMs?: number;
  /** Something of it is still to be ended: its record stays. */
  readonly owing: boolean;
  /** Of its log, oldest first; the last one is written while the run goes on. */
  readonly segments: readonly Segment[];
  /** Bytes of what its jobs made, which goes with the run. Absent: nothing. */
  readonly artifactBytes?: number;
}

export interface Segment {
  readonly number: number;
  readonly bytes: number;
  /** When it was last written: milliseconds since 1970. */
  readonly modifiedMs: number;
}

export interface Rules {
  /** Over the runs of all calls. */
  readonly overall: Required<Retention>;
  of(call: string): Retention | undefined;
}

export interface Plan {
  /** Runs whose record and log go. */
  readonly forget: readonly string[];
  /** Of these, the segments before number `below`. */
  readonly drop: readonly { readonly id: string; readonly below: number }[];
}

/** `kept` in the order in which the runs ended, those that go on last. The oldest go first. */
export function planRetention(kept: readonly Kept[], rules: Rules, nowMs: number): Plan {
  const draft = new Draft();
  const groups = byCall(kept).map((runs) => ({ runs, rule: rules.of(runs[0]!.call) ?? {} }));
  for (const { runs, rule } of [...groups, { runs: kept, rule: rules.overall }]) {
    forgetOld(draft, runs, { ...rule, nowMs });
    forgetMany(draft, runs, rule.runs ?? Infinity);
    dropMuch(draft, runs, rule.bytes ?? Infinity);
  }
  return draft.plan();
}

class Draft {
  readonly #forgotten = new Set<string>();
  readonly #below = new Map<string, number>();

  forget({ id }: Kept): void {
    this.#forgotten.add(id);
  }

  drop({ id }: Kept, segment: Segment): void {
    this.#below.set(id, segment.number + 1);
  }

  has({ id }: Kept): boolean {
    return !this.#forgotten.has(id);
  }

  segments({ id, segments }: Kept): readonly Segment[] {
    const below = this.#below.get(id);
    return below === undefined ? segments : segments.filter(({ number }) => number >= below);
  }

  plan(): Plan {
    const drop = [...this.#below].filter(([id]) => !this.#forgotten.has(id)).map(([id, below]) => ({ id, below }));
    return { forget: [...this.#forgotten], drop };
  }
}

function byCall(kept: readonly Kept[]): readonly (readonly Kept[])[] {
  const groups = new Map<string, Kept[]>();
  for (const run of kept) {
    const group = groups.get(run.call);
    if (group === undefined) groups.set(run.call, [run]);
    else group.push(run);
  }
  return [...groups.values()];
}

function forgetOld(draft: Draft, runs: readonly Kept[], { ageMs = Infinity, nowMs }: Retention & { readonly nowMs: number }): void {
  for (const run of runs) if (run.endedMs !== undefined && !run.owing && nowMs - run.endedMs > ageMs) draft.forget(run);
}

function forgetMany(draft: Draft, runs: readonly Kept[], runsMax: number): void {
  const ended = runs.filter((run) => run.endedMs !== undefined && draft.has(run));
  let over = ended.length - runsMax;
  for (const run of ended) {
    if (over <= 0) return;
    if (run.owing) continue;
    draft.forget(run);
    over -= 1;
  }
}

interface Candidate {
  readonly run: Kept;
  /** To be dropped; absent: the whole run is, for a run without any of its output is not worth a record. */
  readonly segment?: Segment;
  readonly bytes: number;
  readonly ageKey: number;
}

function dropMuch(draft: Draft, runs: readonly Kept[], bytesMax: number): void {
  const stored = runs.filter((run) => draft.has(run));
  let over = stored.reduce((sum, run) => sum + bytesOf(draft.segments(run)) + (run.artifactBytes ?? 0), 0) - bytesMax;
  if (!(over > 0)) return;
  const oldestFirst = stored.flatMap((run) => candidates(run, draft.segments(run))).sort((a, b) => a.ageKey - b.ageKey);
  for (const { run, segment, bytes } of oldestFirst) {
    if (over <= 0) return;
    if (segment === undefined) draft.forget(run);
    else draft.drop(run, segment);
    over -= bytes;
  }
}

/** The last segment of a run goes with the run, when that has ended, and so does what its jobs made. */
function candidates(run: Kept, segments: readonly Segment[]): readonly Candidate[] {
  let ageKey = 0;
  const older = segments.slice(0, -1).map((segment) => {
    // Clocks are set back; within a run the order of the segments is sure.
    ageKey = Math.max(ageKey, segment.modifiedMs);
    return { run, segment, bytes: segment.bytes, ageKey };
  });
  const last = segments.at(-1);
  const bytes = (last?.bytes ?? 0) + (run.artifactBytes ?? 0);
  if (run.endedMs === undefined || run.owing || (last === undefined && bytes === 0)) return older;
  return [...older, { run, bytes, ageKey: Math.max(ageKey, last?.modifiedMs ?? run.endedMs) }];
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}
