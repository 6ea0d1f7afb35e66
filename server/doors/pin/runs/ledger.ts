// What is known of the runs of this door: a file each, written when a run is asked for and when it is over.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PinRecord } from './record.ts';
import type { Origin } from './told.ts';

export interface Entry {
  /** As it was when the file was written. */
  readonly record: PinRecord;
  readonly origin: Origin;
  /** Events of the journal that came before this run. */
  readonly from: number;
  /** The number of its last event; absent until the end. */
  readonly to?: number;
}

export class Ledger {
  readonly #folder: string;
  readonly #runsMax: number;
  /** In the order in which they were asked for. */
  readonly #entries = new Map<string, Entry>();

  /** Reads what is in the folder, which is made when it is not there; a file that cannot be read is passed over. Throws when the folder cannot be used. */
  constructor(folder: string, { runsMax }: { readonly runsMax: number }) {
    this.#folder = folder;
    this.#runsMax = runsMax;
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    const entries = readdirSync(folder).filter((name) => name.endsWith('.json')).flatMap((name) => read(join(folder, name)));
    for (const entry of entries.sort(byAge)) this.#entries.set(entry.record.id, entry);
  }

  /** Writes the entry down. Throws when the disk refuses; it is known all the same. */
  keep(entry: Entry): void {
    const { id } = entry.record;
    this.#entries.set(id, entry);
    this.#prune();
    const file = this.#fileOf(id);
    writeFileSync(`${file}.new`, JSON.stringify(entry), { mode: 0o640 });
    renameSync(`${file}.new`, file);
  }

  forget(id: string): void {
    this.#entries.delete(id);
    rmSync(this.#fileOf(id), { force: true });
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Newest first. */
  list(): readonly Entry[] {
    return [...this.#entries.values()].reverse();
  }

  /** The oldest of those that are over go. */
  #prune(): void {
    let surplus = this.#entries.size - this.#runsMax;
    for (const { record } of [...this.#entries.values()]) {
      if (surplus <= 0) return;
      if (record.completed_at === undefined) continue;
      this.forget(record.id);
      surplus--;
    }
  }

  #fileOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

function read(file: string): readonly Entry[] {
  try {
    const entry = JSON.parse(readFileSync(file, 'utf8')) as Partial<Entry> | null;
    return typeof entry?.record?.id === 'string' && typeof entry.from === 'number' ? [entry as Entry] : [];
  } catch {
    return [];
  }
}

function byAge(a: Entry, b: Entry): number {
  return a.from - b.from || a.record.queued_at.localeCompare(b.record.queued_at);
}
