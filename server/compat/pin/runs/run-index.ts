// Index of the runs that the pin API started: where each run is in the event log. Everything else is in the run store.

import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../../support/make-folder.ts';
import type { RunOrigin } from './lifecycle-events.ts';

export interface IndexedRun {
  readonly id: string;
  readonly origin: RunOrigin;
  /** Number of events in the event log before this run. */
  readonly from: number;
  /** Number of the last event of the run; absent while the run is active. */
  readonly to?: number;
  /** True if a crash of the gateway interrupted the run. */
  readonly interrupted?: true;
}

export class RunIndex {
  readonly #folder: string;
  readonly #runsMax: number;
  /** Oldest first. */
  readonly #entries = new Map<string, IndexedRun>();

  /** Reads the folder, or creates it. Skips files that cannot be read. Throws if the folder cannot be used. */
  constructor(folder: string, { runsMax }: { readonly runsMax: number }) {
    this.#folder = folder;
    this.#runsMax = runsMax;
    makeFolder(folder, 0o750);
    const entries = readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => readEntry(join(folder, name)));
    for (const entry of entries.sort(byAge)) this.#entries.set(entry.id, entry);
  }

  /** Writes the entry to its file. Throws on a write error; the entry is then in memory only. */
  save(entry: IndexedRun): void {
    const { id } = entry;
    this.#entries.set(id, entry);
    this.#prune();
    const file = this.#filePath(id);
    writeFileSync(`${file}.new`, JSON.stringify(entry), { mode: 0o640 });
    renameSync(`${file}.new`, file);
  }

  remove(id: string): void {
    this.#entries.delete(id);
    rmSync(this.#filePath(id), { force: true });
  }

  get(id: string): IndexedRun | undefined {
    return this.#entries.get(id);
  }

  /** Newest first. */
  list(): readonly IndexedRun[] {
    return [...this.#entries.values()].reverse();
  }

  /** Removes the oldest ended runs above the limit. */
  #prune(): void {
    let surplus = this.#entries.size - this.#runsMax;
    for (const { id, to } of [...this.#entries.values()]) {
      if (surplus <= 0) return;
      if (to === undefined) continue;
      this.remove(id);
      surplus--;
    }
  }

  #filePath(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

function readEntry(file: string): readonly IndexedRun[] {
  try {
    const entry = JSON.parse(readFileSync(file, 'utf8')) as Partial<IndexedRun> | null;
    return typeof entry?.id === 'string' && typeof entry.from === 'number' ? [entry as IndexedRun] : [];
  } catch {
    return [];
  }
}

function byAge(a: IndexedRun, b: IndexedRun): number {
  return a.from - b.from;
}
