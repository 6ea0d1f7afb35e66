// Reloads the configuration file as a whole after it has changed, or on SIGHUP.

import type { FileDiagnostic } from '../../../calls/text/diagnostic.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Config } from '../config.ts';
import { isFromRegularFile, type LoadOptions, loadConfig, loadedText } from '../load/load.ts';
import { readConfigFile } from '../load/read-file.ts';
import { type FileVersion, hasNoPath, readFileVersion } from './file-version.ts';
import { findLoss, isLossless, type LoadedText, type Loss } from './loss.ts';
import type { MergedConfig } from './restart-keys.ts';
import { mergeWithRunning } from './restart-keys.ts';

/** A valid file to switch to, or the diagnostics of an invalid file, which changes nothing. */
export type ConfigChange =
  | ({
      readonly ok: true;
      readonly warnings: readonly FileDiagnostic[];
      /** Keys and items that the configuration in force has and the new one does not have. */
      readonly removed: readonly string[];
    } & MergedConfig)
  | { readonly ok: false; readonly diagnostics: readonly FileDiagnostic[] };

/** A valid file that may be incomplete. It is applied if it stays unchanged for `confirmMs`. */
export interface DelayedChange extends Loss {
  readonly confirmMs: number;
}

export interface WatchOptions extends LoadOptions {
  /** Aborted to stop watching. No handler is called after that. */
  readonly signal: AbortSignal;
  /** The configuration that the gateway was started with, as `loadConfig` returned it. */
  readonly running: Config;
  /** Called once for each version of the file that has to stay unchanged before it is applied. */
  readonly onDelay?: (delayed: DelayedChange) => void;
  /** Called at most once, at the start: the file is a pipe or another special file, so it is not watched. */
  readonly onUnwatchable?: () => void;
  /** Replaces the limits of the configuration in force. */
  readonly limits?: WatchLimits;
}

type WatchLimits = Pick<Limits, 'configQuietMs' | 'configConfirmMs'>;

/**
 * Calls `onChange` after every change of the file's content, one call at a time, when the file has not changed for
 * `configQuietMs`. A file that would remove something has to stay unchanged for `configConfirmMs`. SIGHUP reloads at
 * once, even if the content is the same, because a module may have changed. A file that was not a regular file
 * when `running` was loaded is not watched.
 */
export function watchConfig(file: string, onChange: (change: ConfigChange) => void, options: WatchOptions): void {
  const { signal } = options;
  if (signal.aborted) return;
  const watch = new ConfigWatch(file, onChange, options);
  const onHangup = (): void => watch.reload();
  process.on('SIGHUP', onHangup);
  watch.start();
  signal.addEventListener(
    'abort',
    () => {
      process.off('SIGHUP', onHangup);
      watch.close();
    },
    { once: true },
  );
}

/** A version of the file, and the time at which the gateway first saw this version. */
interface SeenVersion extends FileVersion {
  readonly sinceMs: number;
}

class ConfigWatch {
  readonly #file: string;
  readonly #onChange: (change: ConfigChange) => void;
  readonly #options: WatchOptions;
  /** The file was a pipe when it was loaded. A second read would find it empty. */
  #unwatchable = false;
  /** Settings that need a restart keep the values of this configuration. */
  readonly #running: Config;
  /** The last valid file, which is in force. */
  #inForce: LoadedText;
  #limits: WatchLimits;
  /** The content that was last applied or reported, and the path it was read from. */
  #known: { readonly content: string | undefined; readonly target?: string };
  /** The version that needs no further check. */
  #handled: string | undefined;
  /** The version that has to stay unchanged for `configConfirmMs`. */
  #delayed: string | undefined;
  #seen: SeenVersion | undefined;
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(file: string, onChange: (change: ConfigChange) => void, options: WatchOptions) {
    const { running, limits = running.limits } = options;
    this.#file = file;
    this.#onChange = onChange;
    this.#options = options;
    this.#running = running;
    this.#limits = limits;
    const text = loadedText(running);
    this.#inForce = { text: text ?? '', config: running };
    this.#known = { content: text };
  }

  /** Checks the file at intervals. The first check finds a change since the file was loaded. */
  start(): void {
    this.#enqueue(async () => {
      this.#unwatchable = !isFromRegularFile(this.#running) || (await hasNoPath(this.#file));
      if (!this.#unwatchable) await this.#check();
      else if (!this.#isClosed) this.#options.onUnwatchable?.();
    });
  }

  /** Reloads without waiting until the file stays unchanged: the operator says that the file is complete. */
  reload(): void {
    this.#enqueue(() => this.#reloadNow());
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Runs one task after another. A failed task does not block the next one. `loadConfig` reports errors in its result,
   * so there is nothing to log here.
   */
  #enqueue(task: () => Promise<void>): void {
    const run = (): Promise<void> => (this.#isClosed ? Promise.resolve() : task());
    this.#last = this.#last.then(run, run).finally(() => this.#scheduleCheck());
  }

  get #isClosed(): boolean {
    return this.#options.signal.aborted;
  }

  #scheduleCheck(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed || this.#unwatchable) return;
    this.#timer = setTimeout(() => this.#enqueue(() => this.#check()), this.#limits.configQuietMs).unref();
  }

  async #check(): Promise<void> {
    const seen = await this.#see();
    const { configQuietMs, configConfirmMs } = this.#limits;
    const neededMs = seen.version === this.#delayed ? configConfirmMs : configQuietMs;
    const unchangedMs = performance.now() - seen.sinceMs;
    if (seen.version !== this.#handled && unchangedMs >= neededMs) await this.#readQuietFile(seen, unchangedMs);
  }

  /** Returns the present version with the time at which it was first seen. */
  async #see(): Promise<SeenVersion> {
    const found = await readFileVersion(this.#file);
    if (this.#seen?.version !== found.version) this.#seen = { ...found, sinceMs: performance.now() };
    return this.#seen;
  }

  async #readQuietFile(seen: SeenVersion, unchangedMs: number): Promise<void> {
    const content = await this.#readContent();
    const { content: known, target = seen.target } = this.#known;
    if (content === known && target === seen.target) return this.#settle(seen, content);
    const loaded = await loadConfig(this.#file, { ...this.#options, again: true });
    // The file changed while it was read. A later check reads the file when it no longer changes.
    if ((await this.#see()) !== seen) return;
    if (loaded.ok && this.#mustWait(seen, findLoss(this.#inForce, toLoadedText(loaded.config)), unchangedMs)) return;
    this.#settle(seen, content);
    this.#apply(loaded);
  }

  /** True if the file would remove something and has not been unchanged for long enough. */
  #mustWait({ version }: SeenVersion, loss: Loss, unchangedMs: number): boolean {
    const { configConfirmMs: confirmMs } = this.#limits;
    if (isLossless(loss) || unchangedMs >= confirmMs) return false;
    this.#delayed = version;
    if (!this.#isClosed) this.#options.onDelay?.({ ...loss, confirmMs });
    return true;
  }

  async #reloadNow(): Promise<void> {
    const seen = await this.#see();
    const content = await this.#readContent();
    const loaded = await loadConfig(this.#file, { ...this.#options, again: true });
    // `seen` is the version before the read, so the next check finds any later change.
    this.#settle(seen, content);
    this.#apply(loaded);
  }

  /** Returns the text, or why it cannot be read. */
  async #readContent(): Promise<string> {
    const read = await readConfigFile(this.#file);
    return read.ok ? read.text : read.message;
  }

  #settle({ version, target }: FileVersion, content: string): void {
    this.#handled = version;
    this.#known = { content, target };
  }

  #apply(loaded: Awaited<ReturnType<typeof loadConfig>>): void {
    if (this.#isClosed) return;
    if (!loaded.ok) return this.#onChange(loaded);
    const next = toLoadedText(loaded.config);
    const { removed } = findLoss(this.#inForce, next);
    this.#inForce = next;
    this.#limits = this.#options.limits ?? loaded.config.limits;
    const merged = mergeWithRunning(this.#running, loaded.config);
    this.#onChange({ ok: true, ...merged, warnings: loaded.warnings, removed });
  }
}

function toLoadedText(config: Config): LoadedText {
  return { text: loadedText(config) ?? '', config };
}
