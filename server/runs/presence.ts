// Tracks the clients that are connected to a run, and applies its disconnect policy when clients disconnect.

import type { DisconnectPolicy } from '../../calls/contract/disconnect.ts';
import type { ClientPresence } from './views/run-view.ts';

export interface PresenceDeps {
  readonly policy: DisconnectPolicy;
  readonly mayDetach: boolean;
  /** Called when the policy requires that the run stops. */
  readonly stopRun: () => void;
  /** Called when a client has detached: from now on, the policy of the run is `detach`. */
  readonly onDetached: (policy: DisconnectPolicy) => void;
}

/** `owner`: the client started the run. `guest`: it attached later. */
export type PresenceRole = 'owner' | 'guest';

export class PresenceTracker {
  readonly #deps: PresenceDeps;
  /** Connected clients and their roles. */
  readonly #clients = new Map<ClientPresence, PresenceRole>();
  #policy: DisconnectPolicy;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
    this.#policy = deps.policy;
  }

  /** Adds a client and ends the grace period, if one is running. */
  connect(role: PresenceRole = 'owner'): ClientPresence {
    clearTimeout(this.#timer);
    const client: ClientPresence = {
      disconnected: () => this.#onDisconnected(client),
      detach: () => this.#detach(client),
    };
    this.#clients.set(client, role);
    return client;
  }

  /**
   * Applies the policy after a restart of the gateway, unless a client is already connected. With the policy `cancel`,
   * the run waits `reconnectMs` for a client.
   */
  awaitReconnect(reconnectMs: number): void {
    if (this.#clients.size > 0) return;
    this.#applyPolicy(this.#policy.type === 'cancel' ? { type: 'grace', graceMs: reconnectMs } : this.#policy);
  }

  /** From now on, the policy no longer applies, because the run has ended or the next gateway process continues it. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #onDisconnected(client: ClientPresence): void {
    const role = this.#clients.get(client);
    if (!this.#clients.delete(client)) return;
    // With the policy `cancel`, the loss of the last owner cancels the run, even if guests are connected.
    const cancels =
      this.#policy.type === 'cancel' && role === 'owner' && ![...this.#clients.values()].includes('owner');
    if (cancels || this.#clients.size === 0) this.#applyPolicy(this.#policy);
  }

  #detach(client: ClientPresence): boolean {
    if (!this.#deps.mayDetach) return false;
    if (!this.#clients.delete(client) || this.#closed) return true;
    // The change is permanent: a client that attaches and disconnects later must not stop a detached run.
    this.#policy = { type: 'detach' };
    this.#deps.onDetached(this.#policy);
    return true;
  }

  #applyPolicy(policy: DisconnectPolicy): void {
    if (this.#closed) return;
    switch (policy.type) {
      case 'detach':
        return;
      case 'cancel':
        return this.#deps.stopRun();
      case 'grace':
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#deps.stopRun(), policy.graceMs).unref();
        return;
      default:
        return policy satisfies never;
    }
  }
}
