// Writes the output of a run to a stream: batches writes, applies back-pressure and detects a broken pipe.

/** A batch of this length is written at once, without waiting for the end of the event-loop turn. */
const batchLength = 64 << 10;

export class OutputWriter {
  readonly #stream: NodeJS.WritableStream;
  #batch = '';
  #scheduled = false;
  #drained: Promise<void> | undefined;
  #failure: NodeJS.ErrnoException | undefined;
  readonly #onFailure: () => void;

  /** `onFailure` is called once, when nothing more can be written. */
  constructor(stream: NodeJS.WritableStream, onFailure: () => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
    // Never remove this listener: an error after the last write would otherwise end the process.
    stream.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
  }

  /** The error that ended writing, if any. EPIPE: the reader closed the pipe. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  /** Writes the text with the next batch. If this returns a promise, await it before the next write. Never rejects. */
  write(text: string): void | Promise<void> {
    this.#batch += text;
    if (this.#batch.length >= batchLength) this.flush();
    else this.#scheduleFlush();
    return this.#drained;
  }

  /** Like `write`, for bytes, which must not change afterwards. */
  writeBytes(bytes: Uint8Array): void | Promise<void> {
    this.flush();
    if (this.#failure === undefined && !this.#stream.write(bytes)) this.#drained ??= this.#waitForDrain();
    return this.#drained;
  }

  /** Resolves when everything is written or writing has failed. */
  async end(): Promise<void> {
    this.flush();
    if (this.#failure !== undefined) return;
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
  }

  #scheduleFlush(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  /** Writes the batch now. Call this before something else is written to the same terminal. */
  flush(): void {
    const batch = this.#batch;
    this.#batch = '';
    if (batch === '' || this.#failure !== undefined) return;
    if (!this.#stream.write(batch)) this.#drained ??= this.#waitForDrain();
  }

  async #waitForDrain(): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done).off('error', done);
        resolve();
      };
      this.#stream.on('drain', done).on('error', done);
    });
    this.#drained = undefined;
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#onFailure();
  }
}
