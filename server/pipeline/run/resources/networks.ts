// Chooses the network of each job: one of the engine, a named one that jobs share, or one for a job and its services.

import type { Containers } from '../../../../calls/contract/containers.ts';
import type { Job } from '../../language/model.ts';

export interface JobNetwork {
  /** Name of the network for `StepSpec.network`. */
  readonly network: string;
  /** True if containers on this network find each other by name. */
  readonly resolvesNames: boolean;
  /** Lets another job of the run reuse the network, if it was created for one job. */
  release(): void;
}

const engineNetworks: readonly string[] = ['none', 'bridge', 'host'];

/** The networks of one run. */
export class Networks {
  readonly #containers: Pick<Containers, 'network'>;
  /**
   * Networks that were created for one job and that no job uses now. They are reused, because an engine can create only
   * about thirty networks and a run may have a thousand jobs.
   */
  readonly #idle: string[] = [];
  #count = 0;

  constructor(containers: Pick<Containers, 'network'>) {
    this.#containers = containers;
  }

  /** Rejects with WorkFailed if the engine cannot create the network. */
  async join({ network, services }: Pick<Job, 'network' | 'services'>): Promise<JobNetwork> {
    if (!engineNetworks.includes(network))
      return { network: await this.#containers.network(network), resolvesNames: true, release: () => {} };
    if (network !== 'bridge' || services.length === 0) return { network, resolvesNames: false, release: () => {} };
    const own = this.#idle.pop() ?? (await this.#containers.network(`services.${(this.#count += 1)}`));
    return {
      network: own,
      resolvesNames: true,
      release: () => {
        this.#idle.push(own);
      },
    };
  }
}
