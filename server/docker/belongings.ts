// What containers of a run have in common: its networks and volumes. Made once, removed with the run, from the journal entry alone.

import { createHash } from 'node:crypto';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { ObligationEntry, Release, ReleaseManner, RunPorts } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, refused, saidBy, statusOf } from './failure.ts';
import { gatewayLabel, runLabel } from './options.ts';
import { settling, unanswered, type ReleaseBounds } from './release.ts';

export type BelongingKind = 'network' | 'volume';

interface Ways {
  make(engine: Connection, name: string, labels: Readonly<Record<string, string>>): Promise<unknown>;
  /** The engine's words for each of that name that carries the label. */
  find(engine: Connection, name: string, label: string): Promise<string[]>;
  remove(engine: Connection, id: string): Promise<unknown>;
}

const ways: Readonly<Record<BelongingKind, Ways>> = {
  network: {
    // The engine allows several of one name, unless it is asked not to.
    make: ({ docker }, name, labels) => docker.createNetwork({ Name: name, CheckDuplicate: true, Labels: labels }),
    // A filter by name finds every name that has it in it.
    find: async ({ docker }, name, label) => (await docker.listNetworks({ filters: { label: [label], name: [name] } }))
      .filter((network) => network.Name === name).map((network) => network.Id),
    remove: ({ docker }, id) => docker.getNetwork(id).remove(),
  },
  volume: {
    make: ({ docker }, name, labels) => docker.createVolume({ Name: name, Labels: labels }),
    find: async ({ docker }, name, label) => (await docker.listVolumes({ filters: { label: [label], name: [name] } }))
      .Volumes.filter((volume) => volume.Name === name).map((volume) => volume.Name),
    remove: ({ docker }, name) => docker.getVolume(name).remove(),
  },
};

export interface Making {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly gateway: string;
}

/** Gives the engine's name of it. Throws WorkFailed with the engine's reason; nothing is left then. */
export async function makeBelonging(kind: BelongingKind, name: string, { engine, ports, gateway }: Making): Promise<string> {
  if (ports.signal.aborted) throw new WorkFailed(`cannot make the ${kind} "${name}": the run is to stop`);
  // The journal knows an obligation by its id, whatever its kind.
  const id = `distillery-${ports.run}-${kind}-${safe(name)}`;
  const owed = ports.owe(kind, id, { host: engine.host });
  const making = ways[kind].make(engine, id, { [runLabel]: ports.run, [gatewayLabel]: gateway });
  owed.during(making);
  try {
    await making;
    return id;
  } catch (error) {
    await owed.release();
    throw refused(`cannot make the ${kind} "${name}"`, error);
  }
}

const safeMax = 64;

/** For the name of a thing of the engine. What had to be changed gets a mark, so that two names stay two. */
export function safe(name: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_.-]/g, '_').slice(0, safeMax);
  return plain === name ? name : `${plain}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

const lookMs = 50;
/** Of the time there is: what is left is told before the time is over. */
const share = 0.9;

/**
 * Removes it, again and again while containers still use it or it may still be coming into being. Those containers have obligations of their own;
 * they are released first, or at the same time.
 */
export async function releaseBelonging(kind: BelongingKind, engine: Connection, { entry, manner }: { readonly entry: ObligationEntry; readonly manner: ReleaseManner & ReleaseBounds }): Promise<Release> {
  const flow = settling(manner.flow);
  const deadline = performance.now() + (manner.stop.graceMs + manner.releaseMs) * share;
  const label = `${runLabel}=${entry.run}`;
  let how = 'gone';
  let why = 'it may still be coming into being';
  try {
    await Promise.race([flow.done, turn()]);
    for (;;) {
      const { settled } = flow;
      const found = await ways[kind].find(engine, entry.id, label);
      if (found.length === 0 && settled) return { how };
      if (performance.now() > deadline) return { left: why };
      if (found.length === 0) {
        await Promise.race([flow.done, pause(lookMs)]);
        continue;
      }
      const refusals = (await Promise.all(found.map((id) => removal(ways[kind].remove(engine, id))))).filter((one) => one !== undefined);
      how = 'removed';
      why = refusals[0] ?? 'it is still there';
      if (refusals.length > 0) await pause(lookMs);
    }
  } catch (error) {
    return isUnreachable(error) ? unanswered(entry) : { left: `${entry.id} may still be there: ${saidBy(error)}` };
  }
}

/** Why it could not be removed, if so. Throws when there is no answer. */
async function removal(removing: Promise<unknown>): Promise<string | undefined> {
  try {
    await removing;
    return undefined;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    const status = statusOf(error);
    if (status === 404) return undefined;
    return status === 403 || status === 409 ? 'a container still uses it' : saidBy(error);
  }
}
