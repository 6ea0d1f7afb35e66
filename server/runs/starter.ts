// Starts work one at a time, one in a turn of the event loop: spawning a process holds everybody up for a millisecond or two, and five hundred
// clients that connect at once are all to be heard before their work begins.

export class Starter {
  readonly #waiting: (() => void)[] = [];
  #next: NodeJS.Immediate | undefined;

  /** `start` is called soon, after those that came before. It must not throw. */
  push(start: () => void): void {
    this.#waiting.push(start);
    this.#next ??= setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#next = undefined;
    const start = this.#waiting.shift();
    if (this.#waiting.length > 0) this.#next = setImmediate(() => this.#turn());
    start?.();
  }
}
