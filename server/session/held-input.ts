// Text that came before the call: kept for its input, up to a bound.

export class HeldInput {
  readonly #bounds: { readonly framesMax: number; readonly bytesMax: number };
  #texts: Buffer[] = [];
  #bytes = 0;

  constructor(bounds: { readonly framesMax: number; readonly bytesMax: number }) {
    this.#bounds = bounds;
  }

  /** False when it does not fit any more. */
  hold(text: Buffer): boolean {
    if (this.#texts.length >= this.#bounds.framesMax || this.#bytes + text.length > this.#bounds.bytesMax) return false;
    this.#texts.push(text);
    this.#bytes += text.length;
    return true;
  }

  take(): readonly Buffer[] {
    const texts = this.#texts;
    this.#texts = [];
    this.#bytes = 0;
    return texts;
  }
}
