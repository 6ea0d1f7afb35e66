// A watcher for those who want output as it was printed: bytes with their line terminators, also of a line that has only begun. The log holds lines;
// what it added to make them so is taken away again, and what was told before its line was whole is not told twice. Of the parts of a run whole lines are
// told, what was added included: theirs would mix otherwise.

import type { OutputStream } from '../../calls/contract/ports.ts';
import { wholeCharacters } from './log/characters.ts';
import { frameText } from './log/frames.ts';
import { newline } from './log/lines.ts';
import type { WatchedLog } from './log/watched.ts';
import { compare, type Position } from './log/position.ts';
import { Watcher, type BytesOutlet, type Outlet, type WatcherOptions } from './watcher.ts';

export interface RawWatcherOptions extends Pick<WatcherOptions, 'onEnd' | 'onError'> {
  /** How long output is gathered for one frame, and how large that may be; no character is cut. */
  readonly chunkMs: number;
  readonly chunkBytesMax: number;
}

const streams: readonly OutputStream[] = ['stdout', 'stderr'];
const terminator = Uint8Array.of(newline);

export class RawWatcher {
  readonly #log: WatchedLog;
  readonly #outlet: Outlet;
  readonly #options: RawWatcherOptions;
  readonly #watcher: Watcher;
  readonly #unwatch: () => void;
  readonly #decoders = { stdout: decoder(), stderr: decoder() };
  /** Of the line of each stream that is not whole, how many bytes were told. */
  readonly #told = { stdout: 0, stderr: 0 };
  /** What printed the bytes that come next, and whether that was a part of the run. */
  #stream: OutputStream = 'stdout';
  #ofPart = false;
  /** The last byte was a newline; what comes next says whether it was printed or is the log's own. */
  #owesNewline = false;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** From the beginning of the log. Only text frames reach the outlet, broken UTF-8 repaired. */
  constructor(log: WatchedLog, outlet: Outlet, options: RawWatcherOptions) {
    this.#log = log;
    this.#outlet = outlet;
    this.#options = options;
    this.#watcher = new Watcher(log, this.#taker(), { shape: 'raw', onEnd: () => this.#end(), onError: options.onError });
    // Not only for lines: what has begun is in no file yet.
    this.#unwatch = log.watch(() => this.#arm());
  }

  get position(): Position {
    return this.#watcher.position;
  }

  /** As that of a watcher. */
  wake(): void {
    this.#watcher.wake();
    this.#arm();
  }

  /** Nothing more reaches the outlet. Safe twice. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#watcher.stop();
    this.#unwatch();
  }

  #taker(): BytesOutlet {
    const isFull = (): boolean => this.#outlet.full || this.#gatheredBytes >= this.#options.chunkBytesMax;
    return {
      get full() { return isFull(); },
      pieces: (pieces) => {
        for (const piece of pieces) this.#take(piece);
        if (this.#gatheredBytes >= this.#options.chunkBytesMax) this.#send();
        this.#arm();
      },
      event: (json) => this.#heed(json),
    };
  }

  #take(bytes: Uint8Array): void {
    this.#settleNewline();
    const fresh = this.#untold(bytes);
    // A terminal's log has nothing added.
    this.#owesNewline = this.#log.shape === 'lines' && fresh.at(-1) === newline;
    this.#gather(this.#stream, this.#owesNewline ? fresh.subarray(0, -1) : fresh);
  }

  #untold(bytes: Uint8Array): Uint8Array {
    const told = this.#told[this.#stream];
    if (told === 0 || this.#ofPart) return bytes;
    const end = bytes.indexOf(newline);
    const known = Math.min(told, end === -1 ? bytes.length : end);
    this.#told[this.#stream] = told - known;
    return bytes.subarray(known);
  }

  #heed(json: Uint8Array): void {
    const { type, stream, job } = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8')) as { type: string; stream?: OutputStream; job?: string };
    if (!this.#ofPart && (type === 'cut' || type === 'unterminated')) this.#owesNewline = false;
    else this.#settleNewline();
    if (type !== 'stream' || stream === undefined) return;
    this.#stream = stream;
    this.#ofPart = job !== undefined;
  }

  #settleNewline(): void {
    if (this.#owesNewline) this.#gather(this.#stream, terminator);
    this.#owesNewline = false;
  }

  #gather(stream: OutputStream, bytes: Uint8Array, more = true): void {
    const text = Buffer.from(this.#decoders[stream].decode(bytes, { stream: more }), 'utf8');
    if (text.length === 0) return;
    this.#gathered.push(text);
    this.#gatheredBytes += text.length;
  }

  #arm(): void {
    if (!this.#stopped) this.#timer ??= setTimeout(() => this.#tell(), this.#options.chunkMs);
  }

  #tell(): void {
    this.#timer = undefined;
    // Whoever makes room calls `wake`.
    if (this.#outlet.full) return;
    try {
      if (compare(this.position, this.#log.position) === 0) this.#tellBegun();
      this.#send();
    } catch (error) {
      this.stop();
      this.#options.onError(error);
      return;
    }
    this.#watcher.wake();
  }

  /** All that is whole was told; so what has begun comes next. */
  #tellBegun(): void {
    this.#settleNewline();
    for (const stream of streams) {
      const begun = this.#log.unfinishedBytes(stream);
      if (begun.length <= this.#told[stream]) continue;
      const fresh = begun.subarray(this.#told[stream]);
      this.#told[stream] = begun.length;
      this.#gather(stream, fresh);
    }
  }

  #send(): void {
    const text = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    for (let from = 0; from < text.length;) {
      const rest = text.subarray(from, from + this.#options.chunkBytesMax);
      const chunk = rest.subarray(0, from + rest.length < text.length ? wholeCharacters(rest) : rest.length);
      this.#outlet.frames(frameText(chunk));
      from += chunk.length;
    }
  }

  #end(): void {
    this.#settleNewline();
    for (const stream of streams) this.#gather(stream, new Uint8Array(0), false);
    this.#send();
    this.stop();
    this.#options.onEnd();
  }
}

function decoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}
