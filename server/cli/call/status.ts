// Describes the items of a run and its result, as lines for stderr.

import type { ClientResult, ConnectionItem, Item } from '../../../protocol/client/client.ts';
import type { GapMessage, RunEvent } from '../../../protocol/messages.ts';
import type { Receipt, Released } from '../../../protocol/run-record.ts';
import type { Painter } from '../colors.ts';
import { formatDuration, printable, printableValue } from './format.ts';
import { describePipelineEvent } from './pipeline-status.ts';

export { printable } from './format.ts';

/** Returns the status line for an item; undefined if it needs none. */
export function describeItem(item: Item): string | undefined {
  // Every run is queued for a moment. Only a run that has to wait emits an event, which is printed instead.
  if ('run' in item)
    return item.run.state === 'queued' ? undefined : `run ${item.run.id} of ${item.run.call}: ${item.run.state}`;
  if ('event' in item) return describeEvent(item.event);
  if ('notice' in item) return item.notice.message;
  if ('connection' in item) return describeConnection(item);
  return undefined;
}

/** Describes output that is no longer stored. */
export function describeGap({ gap }: GapMessage): string {
  return `lines ${gap.from} to ${gap.to} are no longer available (${gap.reason})`;
}

/** Prints one error of the command, which may have several lines. */
export function printError(
  lines: readonly string[],
  { stderr }: { readonly stderr: { write(text: string): unknown } },
): void {
  stderr.write(`distillery: ${lines.map(printable).join('\n')}\n`);
}

/** Describes a lost or resumed connection. Returns undefined for further attempts to reconnect. */
function describeConnection(item: ConnectionItem): string | undefined {
  if (item.connection === 'resumed') return 'reconnected; the output resumes where it stopped';
  return item.attempt === 1 ? 'connection lost; reconnecting' : undefined;
}

/** Describes the events that explain to a waiting user why nothing is printed. The others are for programs. */
function describeEvent(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'image-pulling':
      return `pulling ${printableValue(event['image'])}`;
    case 'image-progress':
      return `pulling ${printableValue(event['image'])}: ${describeProgress(event)}`;
    case 'image-pulled':
      return `pulled ${printableValue(event['image'])} in ${formatDuration(Number(event['ms']))}`;
    case 'queued':
      return `queued at position ${printableValue(event['position'])}`;
    case 'truncated':
      return `the output reached its limit of ${printableValue(event['bytesMax'])} bytes; further output is not stored`;
    case 'output-cut':
      return describeOutputCut(event);
    case 'adopted':
      return 'the gateway resumed the run';
    case 'engine-lost':
      return 'the Docker engine does not answer; waiting for its return';
    case 'output-lost':
      return 'part of the output was lost';
    case 'stalled':
      return 'stalled: no output for a while';
    case 'awaiting-input':
      return 'waiting for input';
    default:
      return describePipelineEvent(event);
  }
}

function describeOutputCut({ reason, afterMs }: RunEvent): string {
  const why = reason === 'limit' ? 'other processes still printed' : 'other processes held the output open';
  return `the output was cut ${formatDuration(Number(afterMs))} after the exit: ${why}`;
}

/** Longer receipts are summarised by kind. */
const releasedShownMax = 2;

/** Returns the lines for the outcome, the value and the receipt. */
export function describeResult(result: ClientResult, paint: Painter): readonly string[] {
  // The message can begin with the status and contain the exit code. Print neither twice.
  const message = result.message?.startsWith(`${result.status}: `)
    ? result.message.slice(result.status.length + 2)
    : result.message;
  const why = message ?? result.signal ?? (result.exitCode === undefined ? undefined : `exit code ${result.exitCode}`);
  const colour = result.success ? 'green' : result.status === 'cancelled' ? 'yellow' : 'red';
  const outcome = [paint(colour, result.status), ...(why ? [why] : [])].join(', ');
  return [
    // A rejected pipeline has one line per diagnostic.
    ...outcome.split('\n').map(printable),
    ...(result.value === undefined ? [] : [`value: ${JSON.stringify(result.value)}`]),
    ...(result.cleanup === undefined ? [] : describeReceipt(result.cleanup, paint)),
  ];
}

function describeReceipt({ clean, released, left }: Receipt, paint: Painter): readonly string[] {
  if (clean && released.length === 0) return ['clean: nothing to release'];
  const ended = (
    released.length > releasedShownMax
      ? countByKind(released)
      : released.map(({ kind, id, how, ms }) => `${resourceLabel(kind, id)} ${how} (${formatDuration(ms)})`)
  ).join(', ');
  if (clean) return [printable(`clean: ${ended}`)];
  return [
    paint('red', 'NOT clean, left behind:'),
    ...left.map(({ kind, id, why }) => printable(`  ${resourceLabel(kind, id)}: ${why}`)),
  ];
}

/** Summarises a long receipt: `12 containers removed`. */
function countByKind(released: readonly Released[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { kind, how } of released) counts.set(`${kind} ${how}`, (counts.get(`${kind} ${how}`) ?? 0) + 1);
  return [...counts].map(([what, count]) => (count === 1 ? what : `${count} ${what.replace(' ', 's ')}`));
}

/** Puts the kind before the id, unless the id already contains the kind, as `process-1` does. */
function resourceLabel(kind: string, id: string): string {
  return id.startsWith(`${kind}-`) ? id : `${kind} ${id}`;
}

function describeProgress(event: RunEvent): string {
  const { layers, done, bytes, bytesTotal } = event;
  const percent = Number(bytesTotal) > 0 ? ` (${Math.floor((100 * Number(bytes)) / Number(bytesTotal))} %)` : '';
  return `${printableValue(done)} of ${printableValue(layers)} layers${percent}`;
}
