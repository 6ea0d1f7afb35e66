// Creates and releases the networks and volumes that containers of a run share. A release needs only the journal entry.

import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObligationEntry, Release, ReleaseOptions, RunPorts } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import { untilAborted } from '../support/until-aborted.ts';
import type { Connection } from './connect.ts';
import { gatewayLabel, runLabel } from './create-options.ts';
import { engineFailure, engineMessage, httpStatus, isUnreachable } from './engine-error.ts';
import { engineUnreachable, type ReleaseLimits, trackSettled } from './release.ts';
import { runStopping } from './run-stopping.ts';

export type ResourceKind = 'network' | 'volume';

interface ResourceApi {
  create(engine: Connection, name: string, labels: Readonly<Record<string, string>>): Promise<unknown>;
  /** Returns the engine ids of all resources with that name and label. */
  find(engine: Connection, name: string, label: string): Promise<string[]>;
  remove(engine: Connection, id: string): Promise<unknown>;
}

const resourceApi: Readonly<Record<ResourceKind, ResourceApi>> = {
  network: {
    // Without CheckDuplicate the engine allows several networks of one name.
    create: ({ docker }, name, labels) => docker.createNetwork({ Name: name, CheckDuplicate: true, Labels: labels }),
    // The name filter also matches substrings.
    find: async ({ docker }, name, label) =>
      (await docker.listNetworks({ filters: { label: [label], name: [name] } }))
        .filter((network) => network.Name === name)
        .map((network) => network.Id),
    remove: ({ docker }, id) => docker.getNetwork(id).remove(),
  },
  volume: {
    create: ({ docker }, name, labels) => docker.createVolume({ Name: name, Labels: labels }),
    find: async ({ docker }, name, label) =>
      (await docker.listVolumes({ filters: { label: [label], name: [name] } })).Volumes.filter(
        (volume) => volume.Name === name,
      ).map((volume) => volume.Name),
    remove: ({ docker }, name) => docker.getVolume(name).remove(),
  },
};

export interface ResourceContext {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly gateway: string;
}

/**
 * Creates a network or volume and returns the name that the engine uses for it. On failure, releases it and rejects
 * with WorkFailed. If the run is stopping, rejects at once, and the stop releases it.
 */
export async function createResource(
  kind: ResourceKind,
  name: string,
  { engine, ports, gateway }: ResourceContext,
): Promise<string> {
  const what = `create the ${kind} "${name}"`;
  if (ports.signal.aborted) throw runStopping(what);
  // Ids must be unique across all kinds of obligations of a run.
  const id = `distillery-${ports.run}-${kind}-${sanitizeName(name)}`;
  const obligation = ports.openObligation(kind, id, { host: engine.host });
  const creation = resourceApi[kind].create(engine, id, { [runLabel]: ports.run, [gatewayLabel]: gateway });
  obligation.pendingUntil(creation);
  try {
    return await untilAborted(
      ports.signal,
      creation.then(() => id),
      () => Promise.reject(runStopping(what)),
    );
  } catch (error) {
    // The stop of the run releases the network or volume, even if the engine creates it later.
    if (ports.signal.aborted) throw runStopping(what);
    await obligation.release();
    throw engineFailure(`cannot ${what}`, error);
  }
}

const sanitizedLengthMax = 64;

/** Makes a name acceptable to the engine. A changed name gets a hash, so that different names stay different. */
export function sanitizeName(name: string): string {
  const sanitized = name.replace(/[^a-zA-Z0-9_.-]/g, '_').slice(0, sanitizedLengthMax);
  return sanitized === name ? name : `${sanitized}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

const pollMs = 50;
/** Share of the available time after which the release stops retrying, so that the reason can still be reported. */
const deadlineShare = 0.9;

/**
 * Removes a network or volume. Retries while containers use it or its creation is in progress. Those containers have
 * obligations of their own, which are released earlier or at the same time.
 */
export async function releaseResource(
  kind: ResourceKind,
  engine: Connection,
  { entry, options }: { readonly entry: ObligationEntry; readonly options: ReleaseOptions & ReleaseLimits },
): Promise<Release> {
  const creation = trackSettled(options.pending);
  const deadline = performance.now() + (options.stop.graceMs + options.releaseMs) * deadlineShare;
  const label = `${runLabel}=${entry.run}`;
  let endStep = 'gone';
  let reason = 'creation may still be in progress';
  try {
    await Promise.race([creation.done, nextTurn()]);
    for (;;) {
      const { settled } = creation;
      const ids = await resourceApi[kind].find(engine, entry.id, label);
      if (ids.length === 0 && settled) return { how: endStep };
      if (performance.now() > deadline) return { left: reason };
      if (ids.length === 0) {
        await Promise.race([creation.done, delay(pollMs)]);
        continue;
      }
      const errors = (await Promise.all(ids.map((id) => removalError(resourceApi[kind].remove(engine, id))))).filter(
        (error) => error !== undefined,
      );
      endStep = 'removed';
      reason = errors[0] ?? 'it still exists';
      if (errors.length > 0) await delay(pollMs);
    }
  } catch (error) {
    return isUnreachable(error)
      ? engineUnreachable(entry)
      : { left: `${entry.id} may still exist: ${engineMessage(error)}` };
  }
}

/** Returns why the resource could not be removed; undefined on success. Throws if the engine does not answer. */
async function removalError(removing: Promise<unknown>): Promise<string | undefined> {
  try {
    await removing;
    return undefined;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    const status = httpStatus(error);
    if (status === 404) return undefined;
    return status === 403 || status === 409 ? 'a container is still using it' : engineMessage(error);
  }
}
