// One event stream: a watcher of a run, as a browser's EventSource reads it (HTML standard, 9.2). Only told, never asked.

import type { RunEvent } from '../../../protocol/messages.ts';
import type { RunRecord } from '../../../protocol/record.ts';
import type { Cursor } from '../../runs/log/position.ts';
import type { Watchable } from '../../runs/watchable.ts';
import { Watcher, type Outlet } from '../../runs/watcher.ts';
import { countFrames, encodeLines, encodeMessage } from './encode.ts';

/** Of an HTTP answer what a stream needs. */
export interface Sink {
  /** Bytes given to it that it still holds. */
  readonly writableLength: number;
  write(bytes: string | Uint8Array, taken?: () => void): unknown;
  end(): unknown;
}

export interface StreamOptions {
  readonly sink: Sink;
  /** Waiting in the sink before the watcher pauses. */
  readonly bytesMax: number;
  /** The log cannot be read. */
  readonly onError: (error: unknown) => void;
}

/** The id of the result: who has seen it has seen everything. */
export const endId = 'end';

/** How long a browser waits before it connects again. */
const retryMs = 1_000;

export class EventStream implements Outlet {
  readonly #run: Watchable;
  readonly #options: StreamOptions;
  readonly #unlisten: () => void;
  #watcher: Watcher | undefined;
  /** Lines told, or known to be gone. */
  #line = 0;
  readonly #closing = new AbortController();
  #toldAt = performance.now();

  constructor(run: Watchable, cursor: Cursor, options: StreamOptions) {
    this.#run = run;
    this.#options = options;
    this.#unlisten = run.onState((record) => this.#announce(record));
    this.#write(`retry: ${retryMs}\n\n`);
    this.#begin(cursor).catch((error: unknown) => this.#fail(error));
  }

  get full(): boolean {
    return this.#options.sink.writableLength >= this.#options.bytesMax;
  }

  frames(frames: Buffer): void {
    this.#write(encodeLines(frames, this.#line + 1));
    this.#line += countFrames(frames);
  }

  event(json: Uint8Array): void {
    const text = Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8');
    const { seq, at } = JSON.parse(text) as RunEvent;
    this.#write(encodeMessage('event', text, `${at}.${seq}`));
  }

  gap(from: number, to: number, reason: string): void {
    this.#line = to;
    this.#write(encodeMessage('gap', JSON.stringify({ from, to, reason }), String(to)));
  }

  /** A comment, when nothing was told for `heartbeatMs`: proxies cut connections that are silent, and a reader that is gone is noticed by it. */
  beat(now: number, heartbeatMs: number): void {
    if (now - this.#toldAt >= heartbeatMs && this.#options.sink.writableLength === 0) this.#write(':\n\n');
  }

  /** Tells nothing more, and ends the answer; its reader may connect again from where it is. Safe twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#closing.abort(new Error('the stream is closed'));
    this.#unlisten();
    this.#watcher?.stop();
    this.#options.sink.end();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #begin(cursor: Cursor): Promise<void> {
    const { place: from, told } = await this.#run.log.find(cursor, 'lines', this.#closing.signal);
    if (this.#isClosed) return;
    this.#line = from.line;
    this.#announce(this.#run.record);
    // Without its id, which would lead a reader that connects again back to before its own beginning.
    if (told !== undefined) this.#write(encodeMessage('event', Buffer.from(told).toString('utf8')));
    this.#watcher = new Watcher(this.#run.log, this, {
      shape: 'lines', from, onEnd: () => void this.#run.ended.then((record) => this.#conclude(record)), onError: (error) => this.#fail(error),
    });
    this.#watcher.wake();
  }

  #announce({ id, call, state }: RunRecord): void {
    this.#write(encodeMessage('run', JSON.stringify({ id, call, state, next: this.#line + 1 })));
  }

  /** The last message: a browser that connects again after it is told that there is nothing more. */
  #conclude(record: RunRecord): void {
    const { outcome, message, exitCode, signal, cleanup } = record;
    const result = { success: outcome === 'succeeded', status: outcome, message, value: this.#run.value, exitCode, signal, next: this.#line + 1, cleanup };
    this.#write(encodeMessage('result', JSON.stringify(result), endId));
    this.close();
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.onError(error);
    this.close();
  }

  #write(bytes: string | Uint8Array): void {
    if (this.#isClosed) return;
    this.#toldAt = performance.now();
    this.#options.sink.write(bytes, () => this.#watcher?.wake());
  }
}
