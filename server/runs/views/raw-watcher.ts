// A watcher for output as it was printed: with its line terminators, and with partial lines as they grow.
//
// Removes newlines that the log has added, and never repeats what it has already sent of a partial line. Parts of a run
// are delivered as whole lines with added newlines, because their bytes would mix otherwise.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import { comparePositions, type Position } from '../log/position.ts';
import { newline } from '../log/text/line-boundaries.ts';
import type { SourceName } from '../log/text/output-sources.ts';
import { wholeCharacters } from '../log/text/utf8.ts';
import type { WatchableLog } from '../log/watchable-log.ts';
import { type LogSink, Watcher, type WatcherOptions } from './watcher.ts';

/** Receives the text of a raw watcher. */
export interface TextSink extends Omit<LogSink, 'output'> {
  /** Receives a chunk of valid UTF-8. */
  text(chunk: Uint8Array): void;
}

export interface RawWatcherOptions extends Pick<WatcherOptions, 'onEnd' | 'onError'> {
  /**
   * Output is collected for this time, up to `chunkBytesMax`, and sent as one chunk. A chunk never ends within a
   * character.
   */
  readonly chunkMs: number;
  readonly chunkBytesMax: number;
}

const streams: readonly OutputStream[] = ['stdout', 'stderr'];
const terminator = Uint8Array.of(newline);

export class RawWatcher {
  readonly #log: WatchableLog;
  readonly #sink: TextSink;
  readonly #options: RawWatcherOptions;
  readonly #watcher: Watcher;
  readonly #unwatch: () => void;
  readonly #decoders = { stdout: decoder(), stderr: decoder() };
  /** Number of bytes of each stream's partial line that were already sent. */
  readonly #sentPartialBytes = { stdout: 0, stderr: 0 };
  /** Stream of the next bytes. `#ofPart` is true if they come from a part of the run. */
  #stream: OutputStream = 'stdout';
  #ofPart = false;
  /** True if the next bytes come from a service. Clients of this watcher do not receive them. */
  #ofService = false;
  /**
   * True if the last byte was a newline, which is not sent yet. The next entry shows whether the work printed it or the
   * log added it.
   */
  #newlinePending = false;
  #buffered: Buffer[] = [];
  #bufferedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** Starts at the beginning of the log. The sink receives only text, with invalid UTF-8 replaced. */
  constructor(log: WatchableLog, sink: TextSink, options: RawWatcherOptions) {
    this.#log = log;
    this.#sink = sink;
    this.#options = options;
    this.#watcher = new Watcher(log, this.#createSink(), {
      format: 'raw',
      onEnd: () => this.#onLogEnd(),
      onError: options.onError,
    });
    // Watch the log directly as well: partial lines are in no file yet, so the inner watcher does not see them.
    this.#unwatch = log.watch(() => this.#scheduleFlush());
  }

  get position(): Position {
    return this.#watcher.position;
  }

  /** Like `Watcher.wake`. */
  wake(): void {
    this.#watcher.wake();
    this.#scheduleFlush();
  }

  /** Stops delivery. Idempotent. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#watcher.stop();
    this.#unwatch();
  }

  #createSink(): LogSink {
    const isFull = (): boolean => this.#sink.full || this.#bufferedBytes >= this.#options.chunkBytesMax;
    return {
      get full() {
        return isFull();
      },
      output: ({ pieces }) => {
        for (const piece of pieces) this.#onOutput(piece);
        if (this.#bufferedBytes >= this.#options.chunkBytesMax) this.#send();
        this.#scheduleFlush();
      },
      event: (json) => this.#onEvent(json),
      gap: () => this.#changeSource({ stream: 'stdout' }),
    };
  }

  #onOutput(bytes: Uint8Array): void {
    if (this.#ofService) return;
    this.#flushNewline();
    const fresh = this.#withoutSentBytes(bytes);
    // The log of a terminal contains no added newlines.
    this.#newlinePending = this.#log.format === 'lines' && fresh.at(-1) === newline;
    this.#buffer(this.#stream, this.#newlinePending ? fresh.subarray(0, -1) : fresh);
  }

  #withoutSentBytes(bytes: Uint8Array): Uint8Array {
    const sent = this.#sentPartialBytes[this.#stream];
    if (sent === 0 || this.#ofPart) return bytes;
    const end = bytes.indexOf(newline);
    const repeatedBytes = Math.min(sent, end === -1 ? bytes.length : end);
    this.#sentPartialBytes[this.#stream] = sent - repeatedBytes;
    return bytes.subarray(repeatedBytes);
  }

  #onEvent(json: Uint8Array): void {
    const event = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8')) as {
      readonly type: string;
    } & SourceName;
    if (!this.#ofPart && (event.type === 'cut' || event.type === 'unterminated')) this.#newlinePending = false;
    else this.#flushNewline();
    if (event.type === 'stream') this.#changeSource(event);
  }

  /**
   * Sets the source of the next bytes. After a gap, that is stdout of the run itself until an event names another one.
   */
  #changeSource({ stream, job, service }: SourceName): void {
    this.#flushNewline();
    this.#stream = stream;
    this.#ofPart = job !== undefined;
    this.#ofService = service !== undefined;
  }

  #flushNewline(): void {
    if (this.#newlinePending) this.#buffer(this.#stream, terminator);
    this.#newlinePending = false;
  }

  #buffer(stream: OutputStream, bytes: Uint8Array, more = true): void {
    const text = Buffer.from(this.#decoders[stream].decode(bytes, { stream: more }), 'utf8');
    if (text.length === 0) return;
    this.#buffered.push(text);
    this.#bufferedBytes += text.length;
  }

  #scheduleFlush(): void {
    if (!this.#stopped) this.#timer ??= setTimeout(() => this.#flush(), this.#options.chunkMs);
  }

  #flush(): void {
    this.#timer = undefined;
    // Do nothing now: the owner of the sink calls `wake` when the sink has capacity.
    if (this.#sink.full) return;
    try {
      if (comparePositions(this.position, this.#log.position) === 0) this.#bufferPartialLines();
      this.#send();
    } catch (error) {
      this.stop();
      this.#options.onError(error);
      return;
    }
    this.#watcher.wake();
  }

  /** Adds the new bytes of partial lines. Call it only when all whole lines are sent. */
  #bufferPartialLines(): void {
    this.#flushNewline();
    for (const stream of streams) {
      const partialLine = this.#log.partialLineBytes(stream);
      if (partialLine.length <= this.#sentPartialBytes[stream]) continue;
      const fresh = partialLine.subarray(this.#sentPartialBytes[stream]);
      this.#sentPartialBytes[stream] = partialLine.length;
      this.#buffer(stream, fresh);
    }
  }

  #send(): void {
    const text = Buffer.concat(this.#buffered);
    this.#buffered = [];
    this.#bufferedBytes = 0;
    for (let from = 0; from < text.length; ) {
      const rest = text.subarray(from, from + this.#options.chunkBytesMax);
      const chunk = rest.subarray(0, from + rest.length < text.length ? wholeCharacters(rest) : rest.length);
      this.#sink.text(chunk);
      from += chunk.length;
    }
  }

  #onLogEnd(): void {
    this.#flushNewline();
    for (const stream of streams) this.#buffer(stream, new Uint8Array(0), false);
    this.#send();
    this.stop();
    this.#options.onEnd();
  }
}

function decoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}
