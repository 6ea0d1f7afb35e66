// The run's output on its way to stdout: what arrives together is written together, and a slow or broken pipe is noticed.

/** Text waiting for the end of the turn is written at once when it is this long. */
const batchLength = 64 << 10;

export class Output {
  readonly #stream: NodeJS.WritableStream;
  #batch = '';
  #scheduled = false;
  #drained: Promise<void> | undefined;
  #failure: NodeJS.ErrnoException | undefined;
  readonly #onBroken: () => void;

  /** `onBroken` is called once, when nothing more can be written. */
  constructor(stream: NodeJS.WritableStream, onBroken: () => void) {
    this.#stream = stream;
    this.#onBroken = onBroken;
    // Stays on for good: an error may come after the last write, and without a listener it would end the process.
    stream.on('error', (error: NodeJS.ErrnoException) => this.#broke(error));
  }

  /** What broke it, if anything did. EPIPE: the reader went away. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  /** The promise, if there is one, is to be awaited before writing more. Never rejects. */
  write(text: string): void | Promise<void> {
    this.#batch += text;
    if (this.#batch.length >= batchLength) this.#flush();
    else this.#flushSoon();
    return this.#drained;
  }

  /** Resolves when everything is written, or cannot be. */
  async end(): Promise<void> {
    this.#flush();
    if (this.#failure !== undefined) return;
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
  }

  #flushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
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

  #broke(error: NodeJS.ErrnoException): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#onBroken();
  }
}
