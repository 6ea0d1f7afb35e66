// Follows the configuration file: a change, or SIGHUP, and it is read again as a whole.

import { watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Config } from './config.ts';
import { loadConfig, textOf, type LoadOptions } from './load.ts';
import type { Problem } from './problem.ts';
import { readConfigFile } from './read.ts';
import { swap } from './restart.ts';
import type { Swap } from './restart.ts';

/** From the last event in the folder to reading: editors write in several steps. */
const settleMs = 100;

/** A valid file, to be swapped in whole; or what is wrong with it, and nothing has changed. */
export type Change = ({ readonly ok: true; readonly warnings: readonly Problem[] } & Swap) | { readonly ok: false; readonly problems: readonly Problem[] };

export interface WatchOptions extends LoadOptions {
  /** Ends the watching. `onChange` is not called any more. */
  readonly signal: AbortSignal;
  /** What the gateway was started with, as `loadConfig` gave it. */
  readonly running: Config;
}

/**
 * Calls `onChange` after every change of the file's content, one at a time; after SIGHUP also when it has not changed, as a
 * module may have. The folder is watched, not the file: editors put a new file in place of the old.
 */
export function watchConfig(file: string, onChange: (change: Change) => void, { signal, running, ...options }: WatchOptions): void {
  if (signal.aborted) return;
  const reload = async (): Promise<void> => {
    const loaded = await loadConfig(file, options);
    if (!signal.aborted) onChange(loaded.ok ? { ok: true, ...swap(running, loaded.config), warnings: loaded.warnings } : loaded);
  };
  const queue = oneAtATime();
  const content = rememberedContent(file, textOf(running));
  const look = (): void => queue(async () => { if (await content.changed()) await reload(); });
  const folder = watchFolder(resolve(file), look);
  // It may have changed since it was loaded.
  look();
  const hangUp = (): void => queue(async () => { await content.changed(); await reload(); });
  process.on('SIGHUP', hangUp);
  signal.addEventListener('abort', () => { process.off('SIGHUP', hangUp); folder.close(); }, { once: true });
}

type Queue = (work: () => Promise<void>) => void;

/** A failure of one does not keep the next from its turn; `loadConfig` reports by its result, so there is nothing else to report. */
function oneAtATime(): Queue {
  let last: Promise<void> = Promise.resolve();
  return (work) => { last = last.then(work, work); };
}

/** Remembers what the file held. A file that cannot be read is a content of its own. */
function rememberedContent(file: string, first: string | undefined): { changed(): Promise<boolean> } {
  let known = first;
  return {
    async changed() {
      const before = known;
      const found = await readConfigFile(file);
      known = found.ok ? found.text : found.message;
      return known !== before;
    },
  };
}

/** Any event in the folder counts, as a link in it may have been moved on; only the file's own put off the reading. */
function watchFolder(file: string, onQuiet: () => void): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
    if (timer !== undefined && name !== basename(file)) return;
    clearTimeout(timer);
    timer = setTimeout(() => { timer = undefined; onQuiet(); }, settleMs).unref();
  });
  // A folder that vanished cannot be watched any more; SIGHUP still works, and says what is missing.
  watcher.on('error', () => watcher.close());
  return { close: () => { clearTimeout(timer); watcher.close(); } };
}
