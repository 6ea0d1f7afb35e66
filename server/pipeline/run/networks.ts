// The network of each job: one of the engine's own, one of the run that jobs share by its name, or one for a job and its services alone.

import type { Containers } from '../../../calls/contract/containers.ts';
import type { Job } from '../language/tree.ts';

export interface JobNetwork {
  /** For `StepSpec.network`. */
  readonly network: string;
  /** Containers on it find each other by name. */
  readonly named: boolean;
  /** Nothing of the job is on it any more. */
  leave(): void;
}

const engineNetworks: readonly string[] = ['none', 'bridge', 'host'];

/** The networks of one run. */
export class Networks {
  readonly #containers: Pick<Containers, 'network'>;
  /** Those that were made for one job, and are nobody's now. An engine has room for some thirty networks, and a run may have a thousand jobs. */
  readonly #idle: string[] = [];
  #made = 0;

  constructor(containers: Pick<Containers, 'network'>) {
    this.#containers = containers;
  }

  /** Throws WorkFailed with the engine's reason when it cannot be made. */
  async join({ network, services }: Pick<Job, 'network' | 'services'>): Promise<JobNetwork> {
    if (!engineNetworks.includes(network)) return { network: await this.#containers.network(network), named: true, leave: () => {} };
    if (network !== 'bridge' || services.length === 0) return { network, named: false, leave: () => {} };
    const own = this.#idle.pop() ?? await this.#containers.network(`services.${(this.#made += 1)}`);
    return { network: own, named: true, leave: () => { this.#idle.push(own); } };
  }
}
