// One event stream of a run, for the EventSource of a browser (HTML standard, 9.2). It reads nothing from the client.

import type { RunEvent } from '../../../protocol/messages.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { OutputEntry } from '../../runs/log/entry.ts';
import type { Cursor } from '../../runs/log/position.ts';
import type { RunView } from '../../runs/views/run-view.ts';
import { encodeOnce, type LogSink, Watcher } from '../../runs/views/watcher.ts';
import { encodeLineEvents, encodeMessage } from './encode.ts';

/** The part of an HTTP response that a stream needs. */
export interface Sink {
  /** Bytes that the client has not accepted yet. */
  readonly writableLength: number;
  write(bytes: string | Uint8Array, onFlushed?: () => void): unknown;
  end(): unknown;
}

export interface StreamOptions {
  readonly sink: Sink;
  /** The watcher pauses at this number of waiting bytes. */
  readonly bytesMax: number;
  /** Called if the log cannot be read. */
  readonly onError: (error: unknown) => void;
}

/** Id of the result. A client with this id has received everything. */
export const endId = 'end';

/** Delay before a browser reconnects. */
const retryMs = 1_000;

export class RunStream implements LogSink {
  readonly #run: RunView;
  readonly #options: StreamOptions;
  readonly #unsubscribe: () => void;
  #watcher: Watcher | undefined;
  /** Number of the last line that was sent or reported as missing. */
  #line = 0;
  readonly #closing = new AbortController();
  #lastSentAt = performance.now();

  constructor(run: RunView, cursor: Cursor, options: StreamOptions) {
    this.#run = run;
    this.#options = options;
    this.#unsubscribe = run.onState((record) => this.#announce(record));
    this.#write(`retry: ${retryMs}\n\n`);
    this.#start(cursor).catch((error: unknown) => this.#fail(error));
  }

  get full(): boolean {
    return this.#options.sink.writableLength >= this.#options.bytesMax;
  }

  output(entry: OutputEntry): void {
    this.#write(encodeOnce(entry, encodeLineEvents));
    this.#line = entry.end.line;
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

  /**
   * Sends a comment if the stream sent nothing for `heartbeatMs`. Without comments, proxies cut a silent connection,
   * and the gateway does not notice that a client has disconnected.
   */
  heartbeat(now: number, heartbeatMs: number): void {
    if (now - this.#lastSentAt >= heartbeatMs && this.#options.sink.writableLength === 0) this.#write(':\n\n');
  }

  /** Ends the response. The client can resume at its position. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#closing.abort(new Error('the stream is closed'));
    this.#unsubscribe();
    this.#watcher?.stop();
    this.#options.sink.end();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #start(cursor: Cursor): Promise<void> {
    const { position: from, sourceEvent } = await this.#run.log.locateWithSource(cursor, 'lines', this.#closing.signal);
    if (this.#isClosed) return;
    this.#line = from.line;
    this.#announce(this.#run.record);
    // Send the event that names the source of the next lines without its id. With the id, a client that reconnects
    // would resume before its position.
    if (sourceEvent !== undefined) this.#write(encodeMessage('event', Buffer.from(sourceEvent).toString('utf8')));
    this.#watcher = new Watcher(this.#run.log, this, {
      format: 'lines',
      from,
      onEnd: () => void this.#run.ended.then((record) => this.#conclude(record)),
      onError: (error) => this.#fail(error),
    });
    this.#watcher.wake();
  }

  #announce({ id, call, state }: RunRecord): void {
    this.#write(encodeMessage('run', JSON.stringify({ id, call, state, next: this.#line + 1 })));
  }

  /** Sends the result as the last message. If a browser reconnects after the result, it gets 204. */
  #conclude(record: RunRecord): void {
    const { outcome, message, exitCode, signal, cleanup } = record;
    const result = {
      success: outcome === 'succeeded',
      status: outcome,
      message,
      value: this.#run.value,
      exitCode,
      signal,
      next: this.#line + 1,
      cleanup,
    };
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
    this.#lastSentAt = performance.now();
    this.#options.sink.write(bytes, () => this.#watcher?.wake());
  }
}
