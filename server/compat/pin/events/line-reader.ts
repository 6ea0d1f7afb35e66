// Reads single lines of a log in ascending order. Holds at most one page of the log in memory.

import { type OutputEntry, readText } from '../../../runs/log/entry.ts';
import type { WatchableLog } from '../../../runs/log/watchable-log.ts';
import { type LogSink, Watcher } from '../../../runs/views/watcher.ts';
import { type Deferred, deferred } from '../../../support/deferred.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const nothing = Buffer.alloc(0);

/** Lines are numbered from 0: the number of a line is the cursor before it. */
export class LineReader {
  readonly #log: WatchableLog;
  readonly #watcher: Watcher;
  /** Bytes of the current page. Empty if its lines are no longer stored. */
  #bytes: Buffer = nothing;
  #at = 0;
  /** Number of the line that starts at `#at`. */
  #next: number;
  /** Number of the first line after the page. */
  #end: number;
  #full = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #changed: Deferred<void> = deferred();

  private constructor(log: WatchableLog, position: Watcher['position']) {
    this.#log = log;
    this.#next = position.line;
    this.#end = position.line;
    const reader = this;
    const sink: LogSink = {
      output: (entry) => this.#startPage(entry.start.line, entry),
      event: () => {},
      gap: (from, to) => this.#startPage(from - 1, { to }),
      get full() {
        return reader.#full;
      },
    };
    this.#watcher = new Watcher(log, sink, {
      format: 'lines',
      from: position,
      onEnd: () => this.#notify({ ended: true }),
      onError: (error) => this.#notify({ error }),
    });
  }

  /**
   * Opens a log at a line. `read` returns undefined for a line beyond the end of the log. Rejects with the file-system
   * error.
   */
  static async open(log: WatchableLog, line: number): Promise<LineReader> {
    const position = await log.locate({ after: Math.min(line, log.position.line) }, 'lines');
    return new LineReader(log, position);
  }

  /** Returns whether `read` can return this line without `load`. */
  covers(line: number): boolean {
    return line < this.#end || this.#ended || line >= this.#log.position.line;
  }

  /** Returns whether the reader has not yet passed the line, so that the line can still be read. */
  isAhead(line: number): boolean {
    return line >= this.#next;
  }

  /** Resolves when `read` can return the line. Rejects if the log cannot be read. */
  async load(line: number): Promise<void> {
    while (!this.covers(line)) {
      this.#full = false;
      this.#watcher.wake();
      if (!this.#full && !this.#ended && this.#failure === undefined) await this.#changed.promise;
      if (this.#failure !== undefined) throw this.#failure.error;
    }
  }

  /**
   * Returns a covered line without its terminator; undefined if the line is not stored. The result is a view that is
   * valid until the next `load`. Call this at most once per line, in ascending order.
   */
  read(line: number): Buffer | undefined {
    if (line >= this.#end) return undefined;
    let text: Buffer | undefined;
    for (; this.#next <= line; this.#next++) text = this.#readNext();
    return text;
  }

  /** Idempotent. */
  close(): void {
    this.#watcher.stop();
    this.#notify({ ended: true });
  }

  #readNext(): Buffer | undefined {
    const end = this.#bytes.indexOf(newline, this.#at);
    if (end === -1) return undefined;
    const start = this.#at;
    this.#at = end + 1;
    return this.#bytes.subarray(start, end > start && this.#bytes[end - 1] === carriageReturn ? end - 1 : end);
  }

  /**
   * Starts a page with the lines of an entry, or an empty page for a gap. The bytes of an entry are valid only until
   * this method returns, so copy them.
   */
  #startPage(start: number, taken: OutputEntry | { readonly to: number }): void {
    this.#bytes = 'to' in taken ? nothing : Buffer.from(readText(taken));
    this.#at = 0;
    this.#next = start;
    this.#end = 'to' in taken ? taken.to : taken.end.line;
    this.#full = true;
    this.#notify({});
  }

  #notify({ ended = false, error }: { readonly ended?: boolean; readonly error?: unknown }): void {
    this.#ended ||= ended;
    if (error !== undefined) this.#failure = { error };
    this.#changed.resolve();
    this.#changed = deferred();
  }
}
