// The cleanup scope of a run: journals obligations, releases and verifies them in reverse order, returns the receipt.

import type { StopPolicy } from '../../calls/contract/engines.ts';
import type {
  Events,
  Obligation,
  ObligationEntry,
  Release,
  ReleaseOptions,
  Releaser,
} from '../../calls/contract/ports.ts';
import type { Json, Left, ObligationKind, OutputCut, Receipt } from '../../protocol/run-record.ts';
import { deferred } from '../support/deferred.ts';
import { withTimeout } from '../support/with-timeout.ts';

export type Releasers = { readonly [kind in ObligationKind]?: Releaser };

export interface ObligationJournal {
  /** Throws if the disk rejects the write. */
  saveObligation(entry: ObligationEntry): void;
  /**
   * Does not wait for the write. Calls `onSettled` after the write, with the error if it failed, as does
   * `deleteObligation`.
   */
  updateObligation(entry: ObligationEntry, onSettled: (error?: unknown) => void): void;
  deleteObligation(entry: Pick<ObligationEntry, 'run' | 'id'>, onSettled: (error?: unknown) => void): void;
}

export interface CleanupScopeDeps {
  readonly run: string;
  readonly journal: ObligationJournal;
  readonly events: Events;
  readonly releasers: Releasers;
  readonly stop: StopPolicy;
  /**
   * Aborting this controller skips the rest of the grace. Its signal is created at the first release, because many runs
   * open nothing.
   */
  readonly forceStop: Pick<AbortController, 'signal'>;
  /** Time for one release in addition to the grace, in milliseconds. */
  readonly releaseMs: number;
  /**
   * Called when a releaser or the journal throws. Such an error is a fault of the gateway: it is logged, and the
   * receipt does not contain it.
   */
  readonly onFault: (error: unknown) => void;
}

export class CleanupScope {
  readonly #deps: CleanupScopeDeps;
  readonly #openObligations: TrackedObligation[] = [];
  readonly #ended: { readonly tracked: TrackedObligation; readonly outcome: ReleaseOutcome }[] = [];
  #deferred = 0;
  readonly #stopping: { [until in 'stop' | 'end']?: Promise<void> } = {};

  constructor(deps: CleanupScopeDeps) {
    this.#deps = deps;
  }

  /**
   * Journals an obligation before the caller opens it. Throws if the journal cannot be written; then the caller must
   * not open it.
   */
  openObligation(kind: ObligationKind, id: string, facts: Readonly<Record<string, Json>> = {}): Obligation {
    return this.#track({ run: this.#deps.run, kind, id, facts }, this.#deps);
  }

  /**
   * Like `openObligation`, but a stop of the run does not release the obligation, because work that continues after the
   * stop uses it.
   */
  openFinalObligation(kind: ObligationKind, id: string, facts: Readonly<Record<string, Json>> = {}): Obligation {
    const tracked = this.#track({ run: this.#deps.run, kind, id, facts }, this.#deps);
    tracked.outlivesStop = true;
    return tracked;
  }

  /** Adds deferred work: a function, which only this process can call. Names need not be unique. */
  defer(name: string, work: () => void | Promise<void>): void {
    const release: Releaser = async () => {
      await work();
      return { how: 'done' };
    };
    // The journal identifies an obligation by its id, so deferred work is numbered.
    const entry = {
      run: this.#deps.run,
      kind: 'deferred',
      id: `deferred-${++this.#deferred}`,
      facts: { name },
    } as const;
    this.#track(entry, { ...this.#deps, releasers: { deferred: release } });
  }

  /**
   * Releases what engines have opened, last in first out. With `stop`, keeps what outlives the stop of the run. Leaves
   * deferred work to `release`, which runs after the body. Idempotent; never rejects.
   */
  async stopWork(which: 'stop' | 'end' = 'stop'): Promise<void> {
    await (this.#stopping[which] ??= this.#releaseMatching(
      ({ entry, outlivesStop }) => entry.kind !== 'deferred' && (which === 'end' || !outlivesStop),
    ).finally(() => delete this.#stopping[which]));
  }

  /**
   * Releases every open obligation, including those opened meanwhile, and returns the receipt. Idempotent; never
   * rejects.
   */
  async release(): Promise<Receipt> {
    for (const stopping of Object.values(this.#stopping)) await stopping;
    await this.#releaseMatching(() => true);
    const lines = this.#ended.map(({ tracked, outcome: { release, ms } }) => ({
      line: receiptLine(tracked.entry),
      release,
      ms,
    }));
    const released = lines.flatMap(({ line, release, ms }) =>
      'how' in release ? [{ ...line, how: release.how, ms }] : [],
    );
    const left = lines.flatMap(({ line, release }) => ('left' in release ? [{ ...line, why: release.left }] : []));
    return { clean: left.length === 0, released, left };
  }

  /** For an obligation whose release has failed: resolves when this process no longer creates anything of it. */
  async creationOf(id: string): Promise<void> {
    await this.#ended.find(({ tracked }) => tracked.entry.id === id)?.tracked.pending;
  }

  #track(entry: ObligationEntry, deps: CleanupScopeDeps): TrackedObligation {
    const tracked = new TrackedObligation(entry, deps, (outcome) => this.#recordRelease(tracked, outcome));
    this.#openObligations.push(tracked);
    return tracked;
  }

  async #releaseMatching(which: (tracked: TrackedObligation) => boolean): Promise<void> {
    for (
      let last = this.#openObligations.findLast(which);
      last !== undefined;
      last = this.#openObligations.findLast(which)
    )
      await last.release();
  }

  #recordRelease(tracked: TrackedObligation, outcome: ReleaseOutcome): void {
    this.#openObligations.splice(this.#openObligations.indexOf(tracked), 1);
    this.#ended.push({ tracked, outcome });
  }
}

interface ReleaseOutcome {
  readonly release: Release;
  readonly ms: number;
}

/**
 * One obligation until its release. If the release fails, the journal entry stays, and the next gateway tries again.
 */
class TrackedObligation implements Obligation {
  /** The journal entry. `update` changes it, so a release that waits for the creation sees facts added meanwhile. */
  readonly entry: { -readonly [field in keyof ObligationEntry]: ObligationEntry[field] };
  /** True if the stop of the run does not release the obligation. */
  outlivesStop = false;
  readonly #deps: CleanupScopeDeps;
  readonly #onReleased: (outcome: ReleaseOutcome) => void;
  pending: Promise<unknown> = Promise.resolve();
  #releasing: Promise<Release> | undefined;
  readonly #released = deferred<Release>();
  #deleted = false;

  constructor(entry: ObligationEntry, deps: CleanupScopeDeps, onReleased: (outcome: ReleaseOutcome) => void) {
    this.entry = { ...entry };
    this.#deps = deps;
    this.#onReleased = onReleased;
    deps.journal.saveObligation(entry);
  }

  update(facts: Readonly<Record<string, Json>>): void {
    this.entry.facts = { ...this.entry.facts, ...facts };
    if (!this.#deleted) this.#deps.journal.updateObligation(this.entry, this.#onJournaled);
  }

  reportOutputCut(cut: OutputCut): void {
    this.update({ outputCut: { ...cut } });
    const { type, facts } = outputCutEvent(this.entry, cut);
    this.#deps.events.emit(type, facts);
  }

  pendingUntil(work: Promise<unknown>): void {
    this.pending = Promise.allSettled([this.pending, work]);
  }

  release(): Promise<Release> {
    return (this.#releasing ??= this.#releaseNow());
  }

  get released(): Promise<Release> {
    return this.#released.promise;
  }

  async #releaseNow(): Promise<Release> {
    const started = performance.now();
    const { stop, forceStop, releasers } = this.#deps;
    const release = await releaseEntry(releasers, this.entry, {
      ...this.#deps,
      release: { stop, force: forceStop.signal, pending: this.pending },
    });
    if ('how' in release) this.#delete();
    this.#onReleased({ release, ms: Math.round(performance.now() - started) });
    this.#released.resolve(release);
    return release;
  }

  #delete(): void {
    this.#deleted = true;
    this.#deps.journal.deleteObligation(this.entry, this.#onJournaled);
  }

  /**
   * Reports the error of an update or deletion of the entry, and continues. If the entry is left over, the next gateway
   * releases the obligation again, which is harmless.
   */
  readonly #onJournaled = (error?: unknown): void => {
    if (error !== undefined) this.#deps.onFault(error);
  };
}

/**
 * Returns the line of the receipt for an obligation, without the result of the release. The `id` of deferred work is
 * the name that its call gave it.
 */
export function receiptLine({ kind, id, facts: { name, outputCut } }: ObligationEntry): Omit<Left, 'why'> {
  return {
    kind,
    id: kind === 'deferred' && typeof name === 'string' ? name : id,
    ...(outputCut !== undefined && { outputCut: outputCut as unknown as OutputCut }),
  };
}

/** Returns the event that reports missing output of an obligation. */
export function outputCutEvent(
  { id }: Pick<ObligationEntry, 'id'>,
  cut: OutputCut,
): { readonly type: string; readonly facts: Readonly<Record<string, Json>> } {
  return cut.reason === 'engine'
    ? { type: 'output-lost', facts: { container: id } }
    : { type: 'output-cut', facts: { ...cut } };
}

export interface ReleaseEntryOptions extends Pick<CleanupScopeDeps, 'releaseMs' | 'onFault'> {
  readonly release: ReleaseOptions;
}

/** Releases one journaled obligation within its time limit. Never throws. */
export async function releaseEntry(
  releasers: Releasers,
  entry: ObligationEntry,
  options: ReleaseEntryOptions,
): Promise<Release> {
  const releaser = releasers[entry.kind];
  if (releaser === undefined)
    return {
      left:
        entry.kind === 'deferred'
          ? 'the gateway ended before this work was done'
          : `this gateway cannot release a ${entry.kind}`,
    };
  const boundMs = options.release.stop.graceMs + options.releaseMs;
  try {
    return await withTimeout(boundMs, releaser(entry, options.release), () => ({
      left: `not verified to be gone within ${boundMs} ms`,
    }));
  } catch (error) {
    options.onFault(error);
    return { left: 'release failed; see the log of the gateway' };
  }
}
