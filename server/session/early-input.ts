// Buffers input received before the call message, up to a limit.

/** One frame of input. `isLine`: the run receives it with a line feed, unless it is a terminal. */
export interface InputFrame {
  readonly bytes: Buffer;
  readonly isLine: boolean;
}

export class EarlyInputBuffer {
  readonly #limits: { readonly framesMax: number; readonly bytesMax: number };
  #frames: InputFrame[] = [];
  #bytes = 0;

  constructor(limits: { readonly framesMax: number; readonly bytesMax: number }) {
    this.#limits = limits;
  }

  /** Returns false, and buffers nothing, if the frame exceeds a limit. */
  push(frame: InputFrame): boolean {
    if (this.#frames.length >= this.#limits.framesMax || this.#bytes + frame.bytes.length > this.#limits.bytesMax)
      return false;
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
    return true;
  }

  drain(): readonly InputFrame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }
}
