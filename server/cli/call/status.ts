// What stderr says about a run while it goes on, and at its end: for people, one line for each thing.

import type { CallResult, ConnectionItem, Item } from '../../../protocol/client.ts';
import type { GapMessage, RunEvent } from '../../../protocol/messages.ts';
import type { Receipt, Released } from '../../../protocol/record.ts';
import type { Painter } from '../paint.ts';
import { describePipelineEvent } from './pipeline-status.ts';
import { fact, printable, seconds } from './words.ts';

export { printable } from './words.ts';

/** The line for what the run said; undefined for what is not status. */
export function describeItem(item: Item): string | undefined {
  // Each run is queued for an instant; those that wait have an event that says so.
  if ('run' in item) return item.run.state === 'queued' ? undefined : `run ${item.run.id} of ${item.run.call}: ${item.run.state}`;
  if ('event' in item) return describeEvent(item.event);
  if ('notice' in item) return item.notice.message;
  if ('connection' in item) return describeConnection(item);
  return undefined;
}

/** Output that nobody can be told any more. */
export function describeGap({ gap }: GapMessage): string {
  return `lines ${gap.from} to ${gap.to} are not there any more (${gap.reason})`;
}

/** Problems of the command itself; several lines are one problem. */
export function complain(problem: readonly string[], { stderr }: { readonly stderr: { write(text: string): unknown } }): void {
  stderr.write(`distillery: ${problem.map(printable).join('\n')}\n`);
}

/** Further attempts are no news. */
function describeConnection(item: ConnectionItem): string | undefined {
  if (item.connection === 'resumed') return 'connected again, and going on where it was left';
  return item.attempt === 1 ? 'connection lost; trying to connect again' : undefined;
}

/** Most events are for programs; these tell a person who waits why there is nothing to see. */
function describeEvent(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'image-pulling': return `pulling ${fact(event['image'])}`;
    case 'image-progress': return `pulling ${fact(event['image'])}: ${progress(event)}`;
    case 'image-pulled': return `pulled ${fact(event['image'])} in ${seconds(Number(event['ms']))}`;
    case 'queued': return `waiting for its turn, place ${fact(event['position'])} in the queue`;
    case 'truncated': return `the output has reached its bound of ${fact(event['bytesMax'])} bytes; what comes after is not kept`;
    case 'adopted': return 'the gateway was restarted and goes on with the run';
    case 'output-lost': return 'a part of the output was lost';
    case 'stalled': return 'stalled: no output for a while';
    case 'awaiting-input': return 'waiting for input';
    default: return describePipelineEvent(event);
  }
}

/** A receipt of more things than this is told by their kinds. */
const releasedShown = 2;

/** Outcome and receipt, in one line each. */
export function describeResult(result: CallResult, paint: Painter): readonly string[] {
  // "cancelled: …" needs no second "cancelled" before it. A message says the exit code where it matters.
  const message = result.message?.startsWith(`${result.status}: `) ? result.message.slice(result.status.length + 2) : result.message;
  const why = message ?? result.signal ?? (result.exitCode === undefined ? undefined : `exit code ${result.exitCode}`);
  const colour = result.success ? 'green' : result.status === 'cancelled' ? 'yellow' : 'red';
  const outcome = [paint(colour, result.status), ...(why ? [why] : [])].join(', ');
  return [
    // All that is wrong with a pipeline is told, a line for each mistake.
    ...outcome.split('\n').map(printable),
    ...(result.value === undefined ? [] : [`value: ${JSON.stringify(result.value)}`]),
    ...(result.cleanup === undefined ? [] : describeReceipt(result.cleanup, paint)),
  ];
}

function describeReceipt({ clean, released, left }: Receipt, paint: Painter): readonly string[] {
  if (clean && released.length === 0) return ['clean: nothing was left to end'];
  const ended = (released.length > releasedShown ? byKind(released) : released.map(({ kind, id, how, ms }) => `${named(kind, id)} ${how} (${seconds(ms)})`)).join(', ');
  if (clean) return [printable(`clean: ${ended}`)];
  return [paint('red', 'NOT clean, left behind:'), ...left.map(({ kind, id, why }) => printable(`  ${named(kind, id)}: ${why}`))];
}

/** `12 containers removed`: what a person can take in of many. */
function byKind(released: readonly Released[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { kind, how } of released) counts.set(`${kind} ${how}`, (counts.get(`${kind} ${how}`) ?? 0) + 1);
  return [...counts].map(([what, count]) => (count === 1 ? what : `${count} ${what.replace(' ', 's ')}`));
}

/** `process-1` says what it is; a container's name does not. */
function named(kind: string, id: string): string {
  return id.startsWith(`${kind}-`) ? id : `${kind} ${id}`;
}

function progress(event: RunEvent): string {
  const { layers, done, bytes, bytesTotal } = event;
  const percent = Number(bytesTotal) > 0 ? ` (${Math.floor((100 * Number(bytes)) / Number(bytesTotal))} %)` : '';
  return `${fact(done)} of ${fact(layers)} layers${percent}`;
}
