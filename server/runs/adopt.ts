// At start: a run whose container still runs, or ended while no gateway was there, goes on.

import type { ObligationEntry, OutputStream, RunPorts } from '../../calls/contract/ports.ts';
import type { Exit } from '../../calls/contract/engines.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { RunRecord } from '../../protocol/record.ts';
import type { Logger } from '../support/logger.ts';
import type { RunFacts } from './facts.ts';
import { RunLog } from './log/log.ts';
import type { Runs } from './runs.ts';
import type { RunStore } from './store.ts';

/** The engine of containers, as far as it can see to their end what another gateway started. */
export interface Foster {
  /** Whether the container of this obligation ran, or runs. Never throws. */
  ran(entry: ObligationEntry): Promise<boolean>;
  /** Goes on with its output behind `stored` bytes of each stream, and resolves when it has ended. Its obligation is the run's again. */
  adopt(ports: RunPorts, entry: ObligationEntry, stored: Readonly<Record<OutputStream, number>>): Promise<Exit>;
}

export interface AdoptParts {
  readonly store: RunStore;
  readonly foster: Foster;
  readonly runs: Pick<Runs, 'adopt'>;
  readonly limits: Limits;
  readonly log: Logger;
  /** Where the log of a run is. */
  readonly folderOf: (run: string) => string;
}

/** True when the run goes on. False when it cannot; nothing has changed then. Never throws. */
export async function adoptRun(record: RunRecord, parts: AdoptParts): Promise<boolean> {
  const facts = parts.store.facts(record.id);
  const entry = soleContainer(parts.store.open(record.id));
  // A run that was asked to stop is not gone on with; and code that used a container went with its gateway.
  if (record.state !== 'running' || facts?.kind !== 'container' || entry === undefined) return false;
  try {
    if (!(await parts.foster.ran(entry))) return false;
    await goOn(record, { ...parts, facts, entry });
    return true;
  } catch (error) {
    parts.log.error({ run: record.id, err: error }, 'a container of an earlier gateway cannot be adopted');
    return false;
  }
}

async function goOn(record: RunRecord, { facts, entry, foster, runs, limits, log: logger, folderOf }: AdoptParts & { facts: RunFacts; entry: ObligationEntry }): Promise<void> {
  let onFailure: (error: Error) => void = () => {};
  const { lineBytesMax, outputBytesMax } = facts;
  const { log, sourceBytes } = await RunLog.resume(folderOf(record.id), {
    shape: 'lines', limits: { ...limits, lineBytesMax, outputBytesMax }, onFailure: (error) => onFailure(error),
  });
  const run = runs.adopt({
    record, facts,
    body: (_context, ports) => foster.adopt(ports, entry, sourceBytes),
    log: (heard) => {
      onFailure = heard;
      return log;
    },
  });
  run.orphan(limits.returnMs);
  logger.info({ run: record.id, container: entry.id }, 'a run of an earlier gateway goes on');
}

/** Its container, once it is known to have come into being, if that is all the run had opened. */
function soleContainer(entries: readonly ObligationEntry[]): ObligationEntry | undefined {
  const [entry] = entries;
  return entries.length === 1 && entry?.kind === 'container' && typeof entry.facts['container'] === 'string' ? entry : undefined;
}
