// Decides which runs another gateway process can continue.

import type { ObligationEntry } from '../../../calls/contract/ports.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { inputObligationId } from '../input/input-spill.ts';
import type { RunSpec } from '../run-spec.ts';

/**
 * Returns the container whose run another gateway process can continue, given the open obligations of the run.
 * Undefined for all other runs.
 *
 * A run that is being cancelled does not continue. Neither does a code call with a container, because its code ends
 * with its gateway. Nor does a run whose output is bytes: the engine's log, which has the rest of the output, replaces
 * invalid UTF-8.
 */
export function adoptableContainer(
  { state }: Pick<RunRecord, 'state'>,
  spec: RunSpec | undefined,
  entries: readonly ObligationEntry[],
): ObligationEntry | undefined {
  if (state !== 'running' || spec?.kind !== 'container' || spec.bytes?.includes('output')) return undefined;
  const [entry, ...others] = entries.filter((other) => !isInput(other));
  const isCreated = entry?.kind === 'container' && typeof entry.facts['container'] === 'string';
  return isCreated && others.length === 0 ? entry : undefined;
}

/** True for the folder of unread input. Such an obligation is not work that could continue. */
export function isInput({ kind, id }: ObligationEntry): boolean {
  return kind === 'folder' && id === inputObligationId;
}
