// Who stays with a run, and what becomes of it when nobody does any more.

import type { DisconnectPolicy } from '../../calls/contract/disconnect.ts';
import type { Stay } from './watchable.ts';

export interface StaysParts {
  readonly policy: DisconnectPolicy;
  readonly mayDetach: boolean;
  /** Nobody stays, and the run is not to go on. */
  readonly onLost: () => void;
  /** Somebody has left it to itself: from now on it goes on alone. */
  readonly onDetached: (policy: DisconnectPolicy) => void;
}

/** `owner`: it asked for the run. `guest`: it came to it later. */
export type StayAs = 'owner' | 'guest';

export class Stays {
  readonly #parts: StaysParts;
  /** Who stays, and whether they started the run. */
  readonly #staying = new Map<Stay, StayAs>();
  #policy: DisconnectPolicy;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(parts: StaysParts) {
    this.#parts = parts;
    this.#policy = parts.policy;
  }

  /** Somebody stays from now on; a grace that was running is over. */
  stay(as: StayAs = 'owner'): Stay {
    clearTimeout(this.#timer);
    const stay: Stay = { lose: () => this.#lose(stay), detach: () => this.#detach(stay) };
    this.#staying.set(stay, as);
    return stay;
  }

  /** Those who stayed were lost by our own fault, so a run that would be stopped for that is kept for `returnMs`. */
  orphan(returnMs: number): void {
    if (this.#staying.size > 0) return;
    this.#apply(this.#policy.type === 'cancel' ? { type: 'grace', graceMs: returnMs } : this.#policy);
  }

  /** The run is over: nothing becomes of it any more. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #lose(stay: Stay): void {
    const as = this.#staying.get(stay);
    if (!this.#staying.delete(stay)) return;
    // Where a lost client cancels, it does so whoever else may be looking.
    const cancels = this.#policy.type === 'cancel' && as === 'owner' && ![...this.#staying.values()].includes('owner');
    if (cancels || this.#staying.size === 0) this.#apply(this.#policy);
  }

  #detach(stay: Stay): boolean {
    if (!this.#parts.mayDetach) return false;
    if (!this.#staying.delete(stay) || this.#over) return true;
    // For good: a client that looks in later, and is lost, does not end what was to go on alone.
    this.#policy = { type: 'detach' };
    this.#parts.onDetached(this.#policy);
    return true;
  }

  #apply(policy: DisconnectPolicy): void {
    if (this.#over) return;
    switch (policy.type) {
      case 'detach': return;
      case 'cancel': return this.#parts.onLost();
      case 'grace':
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#parts.onLost(), policy.graceMs).unref();
        return;
      default: return policy satisfies never;
    }
  }
}
