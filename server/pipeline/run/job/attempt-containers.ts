// The containers of one attempt. If the attempt is aborted, stops them at once and in parallel.

import type { StepContainer } from '../../../../calls/contract/containers.ts';
import type { Release } from '../../../../calls/contract/ports.ts';

export class AttemptContainers {
  readonly #signal: AbortSignal;
  readonly #containers = new Set<StepContainer>();
  readonly #releaseNow = (): void => {
    // Ignore the rejection here, because `releaseAll` awaits the same release.
    for (const container of this.#containers) container.stop().catch(() => {});
  };

  /** `signal` is aborted when the attempt must end early. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#releaseNow, { once: true });
  }

  get empty(): boolean {
    return this.#containers.size === 0;
  }

  /** Adds a container. Call this as soon as the container exists, so that an abort stops it. */
  add(container: StepContainer): void {
    this.#containers.add(container);
    if (this.#signal.aborted) this.#releaseNow();
  }

  /** Releases all containers. Resolves with one message per container that could not be removed. */
  async releaseAll(): Promise<readonly string[]> {
    const releases = await Promise.all(
      [...this.#containers].map(async (container) => leftoverText(container, await container.stop())),
    );
    this.#signal.removeEventListener('abort', this.#releaseNow);
    return releases.flat();
  }
}

function leftoverText({ name }: StepContainer, release: Release): readonly string[] {
  return 'left' in release ? [`container ${name} could not be removed: ${release.left}`] : [];
}
