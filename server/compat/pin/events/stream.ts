// One stream of the pin API: a cursor in the event log that advances at the speed of its client. Encodes events (HTML
// standard, 9.2): `id:`, `event:` if the client wants names, and one `data:` line.

import { type Encoder, type Encoding, eachLine } from '../../../runs/log/entry.ts';
import type { Position } from '../../../runs/log/position.ts';
import { encodeOnce } from '../../../runs/views/watcher.ts';
import { encodeEvent, isFinalEvent, type PinEvent, readEventHead } from './event.ts';
import type { EventIds } from './event-ids.ts';
import type { EventBatch, EventLog } from './event-log.ts';
import { type EventSink, EventWatcher } from './event-watcher.ts';

export interface StreamFilter {
  /** True to omit `event:` lines, for clients that only have `onmessage`. */
  readonly unnamed: boolean;
  /** Only events of this run. */
  readonly run?: string;
}

/** The part of an HTTP response that a stream needs. */
export interface Sink {
  /** Bytes that the client has not accepted yet. */
  readonly writableLength: number;
  write(bytes: string | Uint8Array, onFlushed?: () => void): unknown;
  end(): unknown;
}

/** A comment that keeps proxies from cutting a silent connection. */
const heartbeat = ': ping\n\n';

/** Start position: after a number of events, or before the next new event. */
export type Start = { readonly after: number } | 'now';

export interface StreamOptions {
  readonly sink: Sink;
  readonly client: string;
  readonly start: Start;
  readonly filter: StreamFilter;
  /** Encoder that the streams of one event log share. Default: an encoder of this stream only. */
  readonly encoder?: EventEncoder;
  /**
   * Returns the number of the last event of the run; undefined while it is unknown. The stream ends after this event.
   */
  readonly until?: () => number | undefined;
  /** Sent after the event `connection` to clients that start with new events. */
  readonly daemonStart?: PinEvent;
  /** The cursor pauses at this number of waiting bytes. */
  readonly bytesMax: number;
  /** Called if the event log cannot be read. */
  readonly onError: (error: unknown) => void;
}

export class PinStream implements EventSink {
  readonly #eventLog: EventLog;
  readonly #options: StreamOptions;
  readonly #closing = new AbortController();
  readonly #encoder: EventEncoder;
  #watcher: EventWatcher | undefined;
  /** Number of the last event that was sent, skipped or reported as missing. */
  #number = 0;
  #lastHeartbeatAt = performance.now();

  constructor(eventLog: EventLog, options: StreamOptions) {
    this.#eventLog = eventLog;
    this.#options = options;
    this.#encoder = options.encoder ?? new EventEncoder(eventLog);
    const { start, daemonStart, client } = options;
    const { log } = eventLog;
    this.#number = start === 'now' ? eventLog.count : start.after;
    // Locate the cursor in the event-loop turn in which the events are counted, so that the stream misses no event.
    const position = log.locate(start === 'now' ? { last: 0 } : { after: start.after }, 'lines', this.#closing.signal);
    this.#send({
      type: 'connection',
      level: 'info',
      message: 'Connected to PIN SSE server',
      timestamp: now(),
      clientId: client,
    });
    if (start === 'now' && daemonStart !== undefined) this.#send(daemonStart);
    position.then((from) => this.#follow(from)).catch((error: unknown) => this.#fail(error));
  }

  get full(): boolean {
    return this.#options.sink.writableLength >= this.#options.bytesMax;
  }

  events(batch: EventBatch): void {
    const { bytes, count, last } = this.#encoder.encode(batch, this.#options.filter);
    this.#number += count;
    if (bytes.length > 0) this.#write(bytes);
    if (last || this.#isPastLastEvent) this.#closeAtLastEvent();
  }

  gap(from: number, to: number): void {
    this.#number = to;
    const { ids } = this.#eventLog;
    this.#send({
      type: 'gap',
      level: 'warning',
      message: `Events ${ids.toId(from)} to ${ids.toId(to)} are no longer stored; the next one is ${ids.toId(to + 1)}`,
      timestamp: now(),
      from: ids.toId(from),
      to: ids.toId(to),
      next: ids.toId(to + 1),
    });
    if (this.#isPastLastEvent) this.#closeAtLastEvent();
  }

  /** Sends a comment every `heartbeatMs`, unless data is waiting for the client. */
  heartbeat(nowMs: number, heartbeatMs: number): void {
    if (nowMs - this.#lastHeartbeatAt < heartbeatMs) return;
    this.#lastHeartbeatAt = nowMs;
    if (this.#options.sink.writableLength === 0) this.#write(heartbeat);
  }

  /** Ends the response. The client can resume at its position. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#closing.abort(new Error('the stream is closed'));
    this.#watcher?.stop();
    this.#options.sink.end();
  }

  get #isPastLastEvent(): boolean {
    return (this.#options.until?.() ?? Infinity) <= this.#number;
  }

  #closeAtLastEvent(): void {
    if (this.#options.until !== undefined) this.close();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #follow(from: Position): void {
    if (this.#isClosed) return;
    this.#number = from.line;
    const { run } = this.#options.filter;
    this.#watcher = new EventWatcher(this.#eventLog, this, {
      from,
      ...(run !== undefined && { run }),
      onEnd: () => this.close(),
      onError: (error) => this.#fail(error),
    });
    this.#watcher.wake();
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.onError(error);
    this.close();
  }

  /** Sends an event that is not in the event log, with the id of the current position. */
  #send(event: PinEvent): void {
    this.#write(
      encodeFrame(this.#eventLog.ids.toId(this.#number), event.type, encodeEvent(event), this.#options.filter),
    );
  }

  #write(bytes: string | Uint8Array): void {
    if (!this.#isClosed) this.#options.sink.write(bytes, () => this.#watcher?.wake());
  }
}

function now(): string {
  return new Date().toISOString();
}

interface Encoded extends Encoding {
  readonly bytes: Buffer;
  /** Number of events that were read, sent or not. */
  readonly count: number;
  /** True if the last event of the run is among them. */
  readonly last: boolean;
}

/** Encodes events as frames. Clients without a run filter share the result for events in memory. */
export class EventEncoder {
  readonly #ids: EventIds;
  readonly #shared: Readonly<Record<'named' | 'unnamed', Encoder<Encoded>>>;

  constructor(eventLog: EventLog) {
    const { ids } = eventLog;
    this.#ids = ids;
    this.#shared = {
      named: (entry) => encodeBatch(eventLog.inMemory(entry)!, ids, { unnamed: false }),
      unnamed: (entry) => encodeBatch(eventLog.inMemory(entry)!, ids, { unnamed: true }),
    };
  }

  encode(batch: EventBatch, filter: StreamFilter): Encoded {
    if (filter.run !== undefined || batch.entry === undefined) return encodeBatch(batch, this.#ids, filter);
    return encodeOnce(batch.entry, filter.unnamed ? this.#shared.unnamed : this.#shared.named);
  }
}

function encodeBatch({ first, count, json: texts }: EventBatch, ids: EventIds, filter: StreamFilter): Encoded {
  const frames: string[] = [];
  let number = first;
  for (const json of eachLine(texts)) {
    const { type, run } = readEventHead(json);
    const isWanted = filter.run === undefined || filter.run === run;
    if (isWanted) frames.push(encodeFrame(ids.toId(number), type, json, filter));
    number++;
    if (isWanted && filter.run !== undefined && isFinalEvent(type))
      return { ...joinFrames(frames), count: number - first, last: true };
  }
  return { ...joinFrames(frames), count, last: false };
}

function joinFrames(frames: readonly string[]): { readonly bytes: Buffer; readonly byteLength: number } {
  const bytes = Buffer.from(frames.join(''));
  return { bytes, byteLength: bytes.length };
}

function encodeFrame(id: number, type: string, json: string | Buffer, { unnamed }: StreamFilter): string {
  return `id: ${id}\n${unnamed ? '' : `event: ${type}\n`}data: ${json.toString()}\n\n`;
}
