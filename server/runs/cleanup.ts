// What a run owes: every obligation journaled before the thing exists, released last-in-first-out, verified, and accounted for in a receipt.

import type { Obligation, ObligationEntry, Release, ReleaseManner, Releaser } from '../../calls/contract/ports.ts';
import type { StopPolicy } from '../../calls/contract/engines.ts';
import type { Json, Left, ObligationKind, Receipt, Released } from '../../protocol/record.ts';
import { within } from '../support/within.ts';

export type Releasers = { readonly [kind in ObligationKind]?: Releaser };

/** Both throw when the disk refuses. */
export interface Journal {
  journal(entry: ObligationEntry): void;
  strike(entry: Pick<ObligationEntry, 'run' | 'id'>): void;
}

export interface ScopeParts {
  readonly run: string;
  readonly journal: Journal;
  readonly releasers: Releasers;
  readonly stop: StopPolicy;
  /** Aborted when the rest of the grace is to be skipped. Its signal is made when something is released: many runs open nothing. */
  readonly hurry: Pick<AbortController, 'signal'>;
  /** Beyond the grace, for one release. */
  readonly releaseMs: number;
  /** A releaser threw, or the journal: our mistake, for the log and not for the receipt. */
  readonly onFault: (error: unknown) => void;
}

export class CleanupScope {
  readonly #parts: ScopeParts;
  readonly #open: Owed[] = [];
  readonly #released: Released[] = [];
  readonly #left: Left[] = [];
  #deferred = 0;
  #ending: Promise<void> | undefined;

  constructor(parts: ScopeParts) {
    this.#parts = parts;
  }

  /** Journals that `id` is about to be opened. Throws when the journal cannot be written; then it must not be opened. */
  owe(kind: ObligationKind, id: string, facts: Readonly<Record<string, Json>> = {}): Obligation {
    return this.#add({ run: this.#parts.run, kind, id, facts }, this.#parts);
  }

  /** As `owe`, for work that only this process can do. Two may have the same name. */
  defer(name: string, work: () => void | Promise<void>): void {
    const deferred: Releaser = async () => {
      await work();
      return { how: 'done' };
    };
    // Numbered: the journal knows an obligation by its id.
    const entry = { run: this.#parts.run, kind: 'deferred', id: `deferred-${++this.#deferred}`, facts: { name } } as const;
    this.#add(entry, { ...this.#parts, releasers: { deferred } });
  }

  /** Ends what engines have opened, last in first out. Deferred work is left for `release`: it comes after the body. Safe twice; never rejects. */
  async endStarted(): Promise<void> {
    await (this.#ending ??= this.#end((owed) => owed.entry.kind !== 'deferred').finally(() => { this.#ending = undefined; }));
  }

  /** Releases everything that is open, also what is opened meanwhile, and gives the account. Safe twice; never rejects. */
  async release(): Promise<Receipt> {
    if (this.#ending !== undefined) await this.#ending;
    await this.#end(() => true);
    return { clean: this.#left.length === 0, released: [...this.#released], left: [...this.#left] };
  }

  #add(entry: ObligationEntry, parts: ScopeParts): Owed {
    const owed = new Owed(entry, parts, (outcome) => this.#account(owed, outcome));
    this.#open.push(owed);
    return owed;
  }

  async #end(which: (owed: Owed) => boolean): Promise<void> {
    for (let last = this.#open.findLast(which); last !== undefined; last = this.#open.findLast(which)) await last.release();
  }

  #account(owed: Owed, outcome: Outcome): void {
    const { kind } = owed.entry;
    const id = nameOf(owed.entry);
    this.#open.splice(this.#open.indexOf(owed), 1);
    if ('left' in outcome.release) this.#left.push({ kind, id, why: outcome.release.left });
    else this.#released.push({ kind, id, how: outcome.release.how, ms: outcome.ms });
  }
}

interface Outcome {
  readonly release: Release;
  readonly ms: number;
}

/** One obligation and the way to its end. What is left stays in the journal: the next start of the gateway tries again. */
class Owed implements Obligation {
  entry: ObligationEntry;
  readonly #parts: ScopeParts;
  readonly #account: (outcome: Outcome) => void;
  #flow: Promise<unknown> = Promise.resolve();
  #released: Promise<Release> | undefined;
  #struck = false;

  constructor(entry: ObligationEntry, parts: ScopeParts, account: (outcome: Outcome) => void) {
    this.entry = entry;
    this.#parts = parts;
    this.#account = account;
    parts.journal.journal(entry);
  }

  learn(facts: Readonly<Record<string, Json>>): void {
    this.entry = { ...this.entry, facts: { ...this.entry.facts, ...facts } };
    if (!this.#struck) this.#note(() => this.#parts.journal.journal(this.entry));
  }

  during(flow: Promise<unknown>): void {
    this.#flow = Promise.allSettled([this.#flow, flow]);
  }

  release(): Promise<Release> {
    return (this.#released ??= this.#end());
  }

  async #end(): Promise<Release> {
    const started = performance.now();
    const { stop, hurry, releasers } = this.#parts;
    const release = await releaseEntry(releasers, this.entry, { ...this.#parts, manner: { stop, hurry: hurry.signal, flow: this.#flow } });
    if ('how' in release) this.#strike();
    this.#account({ release, ms: Math.round(performance.now() - started) });
    return release;
  }

  #strike(): void {
    this.#struck = true;
    this.#note(() => this.#parts.journal.strike(this.entry));
  }

  /** The thing is there, or gone, whatever the journal can take; an entry too many is tried again at the next start, which is safe. */
  #note(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#parts.onFault(error);
    }
  }
}

/** What a receipt calls it: deferred work has the name its call gave it. */
export function nameOf({ kind, id, facts }: ObligationEntry): string {
  return kind === 'deferred' && typeof facts['name'] === 'string' ? facts['name'] : id;
}

export interface ReleaseBounds extends Pick<ScopeParts, 'releaseMs' | 'onFault'> {
  readonly manner: ReleaseManner;
}

/** Releases one journaled obligation, in bounded time; never throws. */
export async function releaseEntry(releasers: Releasers, entry: ObligationEntry, how: ReleaseBounds): Promise<Release> {
  const releaser = releasers[entry.kind];
  if (releaser === undefined) return { left: entry.kind === 'deferred' ? 'the gateway ended before it was done' : `this gateway cannot release a ${entry.kind}` };
  const boundMs = how.manner.stop.graceMs + how.releaseMs;
  try {
    return await within(boundMs, releaser(entry, how.manner), () => ({ left: `not verified to be gone within ${boundMs} ms` }));
  } catch (error) {
    how.onFault(error);
    return { left: 'its release failed; the log of the gateway says why' };
  }
}
