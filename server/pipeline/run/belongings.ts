// The containers of one try of a job, and their end: all at the same time, and at once when the try is given up.

import type { StepContainer } from '../../../calls/contract/containers.ts';
import type { Release } from '../../../calls/contract/ports.ts';

export interface BelongingsParts {
  /** Aborted when the try is given up. */
  readonly signal: AbortSignal;
  /** True when the run is to stop: containers are then asked to stop, by its policy; otherwise they are removed by force. */
  readonly gently: () => boolean;
}

export class Belongings {
  readonly #parts: BelongingsParts;
  readonly #containers = new Set<StepContainer>();
  readonly #giveUp = (): void => {
    // Waited for by `end`.
    for (const container of this.#containers) this.#endOne(container).catch(() => {});
  };

  constructor(parts: BelongingsParts) {
    this.#parts = parts;
    parts.signal.addEventListener('abort', this.#giveUp, { once: true });
  }

  get empty(): boolean {
    return this.#containers.size === 0;
  }

  /** To be called as soon as the container is there. */
  add(container: StepContainer): void {
    this.#containers.add(container);
    if (this.#parts.signal.aborted) this.#giveUp();
  }

  /** Ends all of them, and resolves when they are gone; what is left is told. */
  async end(): Promise<readonly string[]> {
    const releases = await Promise.all([...this.#containers].map(async (container) => wordsOf(container, await this.#endOne(container))));
    this.#parts.signal.removeEventListener('abort', this.#giveUp);
    return releases.flat();
  }

  #endOne(container: StepContainer): Promise<Release> {
    return this.#parts.gently() ? container.stop() : container.remove();
  }
}

function wordsOf({ name }: StepContainer, release: Release): readonly string[] {
  return 'left' in release ? [`container ${name} is left: ${release.left}`] : [];
}
