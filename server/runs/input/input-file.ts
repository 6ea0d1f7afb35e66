// A queue of bytes in a file: the input of a run that does not fit into memory.
//
// The file is a ring. It never exceeds its limit, however much input passes through it, and it is emptied whenever
// everything was read.

import { deferred } from '../../support/deferred.ts';
import { close, ftruncate, readAt, writeAt } from '../log/storage/file-io.ts';
import { chunkBytesMax, MemoryQueue } from './memory-queue.ts';

export interface InputFileOptions {
  /** Maximum number of bytes in the queue, including those that are not yet written. */
  readonly bytesMax: number;
  /** The disk counts as behind while at least this many bytes are not yet written. */
  readonly pendingBytesMax: number;
  /** Creates the file and returns its descriptor, which the queue closes. */
  readonly create: () => Promise<number>;
  /** Called once if the file cannot be created, written or read. The queue is closed then. */
  readonly onFailure: (error: unknown) => void;
}

export class InputFile {
  readonly #options: InputFileOptions;
  readonly #pending = new MemoryQueue();
  #file: number | undefined;
  /** Numbers of bytes that were pushed, written and read since the file was empty. */
  #pushed = 0;
  #written = 0;
  #read = 0;
  /** `#work`: the write, truncation or close in progress. `#reading`: the read in progress. Neither rejects. */
  #work: Promise<void> | undefined;
  #reading: Promise<unknown> | undefined;
  #closed = false;
  #progress = deferred<void>();

  constructor(options: InputFileOptions) {
    this.#options = options;
  }

  /** Number of bytes that were not read yet. */
  get bytes(): number {
    return this.#pushed - this.#read;
  }

  /** True while the disk is behind: take no more input from clients and await `drained()`. */
  get full(): boolean {
    return !this.#closed && this.#pushed - this.#written >= this.#options.pendingBytesMax;
  }

  /**
   * Queues bytes. Returns false, and queues nothing, if they exceed the limit. A closed queue drops them and returns
   * true.
   */
  push(bytes: Uint8Array): boolean {
    if (this.#closed) return true;
    if (this.bytes + bytes.length > this.#options.bytesMax) return false;
    this.#pending.push(bytes);
    this.#pushed += bytes.length;
    this.#schedule();
    return true;
  }

  /** Resolves when the disk is no longer behind, or the queue is closed. */
  async drained(): Promise<void> {
    while (this.full) await this.#progress.promise;
  }

  /** Takes the next bytes, at most `chunkBytesMax`. Resolves with undefined if the queue was closed meanwhile. */
  async take(): Promise<Uint8Array | undefined> {
    while (!this.#closed && this.#written === this.#read) await this.#progress.promise;
    if (this.#closed) return undefined;
    const at = this.#read % this.#options.bytesMax;
    const length = Math.min(chunkBytesMax, this.#written - this.#read, this.#options.bytesMax - at);
    const bytes = await (this.#reading = this.#readAt(at, length));
    this.#reading = undefined;
    if (this.#closed || bytes === undefined) return undefined;
    this.#read += bytes.length;
    this.#schedule();
    return bytes;
  }

  /** Drops everything and closes the file. Resolves when the file is closed. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pending.takeAll();
    this.#read = this.#pushed;
    this.#notify();
    this.#schedule();
    while (this.#work !== undefined) await this.#work;
  }

  async #readAt(at: number, length: number): Promise<Buffer | undefined> {
    try {
      const bytes = await readAt(this.#file!, at, Buffer.allocUnsafeSlow(length));
      if (bytes.length === length) return bytes;
      throw new Error('the file is shorter than what was written to it');
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Starts the next step if there is work and no step is in progress. */
  #schedule(): void {
    if (this.#work !== undefined || !this.#hasWork) return;
    this.#work = this.#step().finally(() => {
      this.#work = undefined;
      this.#notify();
      this.#schedule();
    });
  }

  get #hasWork(): boolean {
    return this.#closed ? this.#file !== undefined : this.#pending.bytes > 0 || this.#isUsedUp;
  }

  /** True if everything was read but the file still occupies the disk. */
  get #isUsedUp(): boolean {
    return this.#read > 0 && this.#read === this.#pushed;
  }

  async #step(): Promise<void> {
    try {
      if (this.#closed) return await this.#closeFile();
      this.#file ??= await this.#options.create();
      if (this.#isUsedUp) await this.#empty(this.#file);
      if (this.#pending.bytes > 0) await this.#write(this.#file);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #empty(file: number): Promise<void> {
    // Bytes that arrive during the truncation are written afterwards, to the start of the file.
    this.#pushed = 0;
    this.#written = 0;
    this.#read = 0;
    await ftruncate(file, 0);
  }

  async #write(file: number): Promise<void> {
    let rest = this.#pending.takeAll();
    while (rest.length > 0 && !this.#closed) {
      const at = this.#written % this.#options.bytesMax;
      const [now, later] = splitAt(rest, this.#options.bytesMax - at);
      await writeAt(file, at, now);
      this.#written += now.reduce((sum, piece) => sum + piece.length, 0);
      rest = later;
      this.#notify();
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // Await the read: after the close, its file descriptor could belong to another file.
    await this.#reading;
    if (file === undefined) return;
    // The run may go on for long without its input, so free the disk now.
    await ftruncate(file, 0).catch(() => {});
    await close(file).catch(() => {});
  }

  #fail(error: unknown): undefined {
    if (this.#closed) return;
    void this.close();
    this.#options.onFailure(error);
  }

  #notify(): void {
    this.#progress.resolve();
    this.#progress = deferred();
  }
}

/** Splits consecutive pieces after `bytes` bytes. */
function splitAt(pieces: readonly Uint8Array[], bytes: number): [Uint8Array[], Uint8Array[]] {
  const now: Uint8Array[] = [];
  const later: Uint8Array[] = [];
  let left = bytes;
  for (const piece of pieces) {
    if (left > 0) now.push(piece.subarray(0, left));
    if (left < piece.length) later.push(piece.subarray(Math.max(0, left)));
    left -= piece.length;
  }
  return [now, later];
}
