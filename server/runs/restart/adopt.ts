// At start: continues a run whose container still runs, or has exited while no gateway was running.

import type { Exit } from '../../../calls/contract/engines.ts';
import type { ObligationEntry, OutputStream, RunPorts } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { Logger } from '../../support/logger.ts';
import { msSince } from '../../support/machine-time.ts';
import { RunLog } from '../log/log.ts';
import { chooseLogForm, type RunSpec } from '../run-spec.ts';
import type { Runs } from '../runs.ts';
import type { RunStore } from '../store/store.ts';
import { adoptableContainer, isInput } from './adoptable.ts';

/** The part of the container engine that continues containers of an earlier gateway. */
export interface ContainerAdopter {
  /** Resolves to true if the container of this obligation has started. Never rejects. */
  canAdopt(entry: ObligationEntry): Promise<boolean>;
  /**
   * Resumes the output after `stored` bytes of each stream and takes over the obligation. Resolves when the container
   * has exited.
   */
  adopt(ports: RunPorts, entry: ObligationEntry, stored: Readonly<Record<OutputStream, number>>): Promise<Exit>;
}

export interface AdoptDeps {
  readonly store: RunStore;
  readonly adopter: ContainerAdopter;
  readonly runs: Pick<Runs, 'adopt'>;
  readonly limits: Limits;
  readonly log: Logger;
  /** Returns the folder of a run's log. */
  readonly runFolder: (run: string) => string;
}

/** Returns true if the run continues. Otherwise the caller must end it. Never rejects. */
export async function adoptRun(record: RunRecord, deps: AdoptDeps): Promise<boolean> {
  const spec = deps.store.getSpec(record.id);
  const entries = deps.store.openObligations(record.id);
  const entry = adoptableContainer(record, spec, entries);
  if (spec === undefined || entry === undefined) return false;
  try {
    if (!(await deps.adopter.canAdopt(entry))) return false;
    await resumeRun(record, { ...deps, spec, entry, inputs: entries.filter(isInput) });
    return true;
  } catch (error) {
    deps.log.error({ run: record.id, err: error }, 'cannot adopt a container of an earlier gateway');
    return false;
  }
}

async function resumeRun(
  record: RunRecord,
  {
    spec,
    entry,
    inputs,
    adopter,
    runs,
    limits,
    log: logger,
    runFolder,
  }: AdoptDeps & { spec: RunSpec; entry: ObligationEntry; inputs: readonly ObligationEntry[] },
): Promise<void> {
  let onFailure: (error: Error) => void = () => {};
  const { lineBytesMax, outputBytesMax } = spec;
  const { log, sourceBytes } = await RunLog.resume(runFolder(record.id), {
    ...chooseLogForm(spec),
    limits: { ...limits, lineBytesMax, outputBytesMax },
    onFailure: (error) => onFailure(error),
  });
  const durationMs = spec.startedOn === undefined ? undefined : msSince(spec.startedOn);
  const run = runs.adopt({
    // Without a known duration, the time limit begins again.
    record: { ...record, durationMs: durationMs ?? 0 },
    spec,
    body: (_context, ports) => {
      // The input ended with the earlier gateway, so nothing will read its file.
      for (const { kind, id, facts } of inputs) void ports.openObligation(kind, id, facts).release();
      return adopter.adopt(ports, entry, sourceBytes);
    },
    log: (listener) => {
      onFailure = listener;
      return log;
    },
  });
  run.awaitReconnect(limits.reconnectMs);
  logger.info({ run: record.id, container: entry.id }, 'continuing a run of an earlier gateway');
}
