// Describes each event of a pipeline in one line.

import type { RunEvent } from '../../../protocol/messages.ts';
import { formatDuration, formatSize, printableValue } from './format.ts';

/** Returns the line for an event of a pipeline; undefined if the event needs none or is not from a pipeline. */
export function describePipelineEvent(event: RunEvent): string | undefined {
  const text = descriptions[event.type]?.(event);
  if (text === undefined || event['job'] === undefined) return text;
  return `[${printableValue(event['job'])}] ${text}`;
}

/** Returns what a job is doing, without its name; undefined for steps that take no time. */
export function describeStep(event: RunEvent): string | undefined {
  const { image, service, files, bytes } = event;
  switch (event['step']) {
    case 'image-pulling':
      return `pulling ${printableValue(image)}`;
    case 'image-pulled':
      return `pulled ${printableValue(image)}`;
    case 'image-building':
      return `building an image from ${printableValue(event['dockerfile'])}`;
    case 'image-built':
      return `built ${printableValue(image)} from ${printableValue(event['dockerfile'])}`;
    case 'service-starting':
      return `starting the service ${printableValue(service)} (${printableValue(image)})`;
    case 'service-healthy':
      return `the service ${printableValue(service)} is ready`;
    case 'files-copied':
      return `copied ${count(files, 'file')} (${formatSize(Number(bytes))})`;
    case 'command-started':
      return `$ ${printableValue(event['command'])}`;
    case 'artifacts-kept':
      return `stored ${count(files, 'artifact')} (${formatSize(Number(bytes))})`;
    default:
      return undefined;
  }
}

const jobsShown = 10;

const descriptions: Readonly<Record<string, (event: RunEvent) => string | undefined>> = {
  // A long plan arrives in several events. Only the first one is described; it has the total.
  'pipeline-planned': ({ jobs, from = 0, of }) => {
    if (from !== 0) return undefined;
    const ids = (Array.isArray(jobs) ? jobs : []).map((job) => printableValue((job as { id?: unknown }).id));
    const all = typeof of === 'number' ? of : ids.length;
    const more = all - jobsShown;
    return `${count(all, 'job')}: ${ids.slice(0, jobsShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  },
  'pipeline-warning': ({ message, line, column }) => {
    const place = typeof line === 'number' ? `line ${line}, column ${printableValue(column)}: ` : '';
    return `warning: ${place}${printableValue(message)}`;
  },
  'job-started': ({ attempt, attempts }) =>
    Number(attempt) > 1 ? `restarted (attempt ${printableValue(attempt)} of ${printableValue(attempts)})` : 'started',
  'job-step': (event) => describeStep(event),
  'job-retrying': (event) => describeRetry(event),
  'job-skipped': (event) => `skipped: ${describeSkip(event)}`,
  'job-ended': (event) => describeJobEnd(event),
};

export function describeRetry({ attempt, attempts, delayMs, message }: RunEvent): string {
  const which = `attempt ${printableValue(attempt)} of ${printableValue(attempts)}`;
  return `failed (${which}), retrying in ${formatDuration(Number(delayMs))}: ${printableValue(message)}`;
}

export function describeSkip({ reason, condition, failed }: RunEvent): string {
  switch (reason) {
    case 'condition':
      return condition === undefined
        ? 'its condition is false'
        : `its condition is false: ${printableValue(condition)}`;
    case 'upstream_failed':
      return failed === undefined ? 'an earlier job failed' : `${printableValue(failed)} failed`;
    case 'nothing_failed':
      return 'nothing failed';
    case 'cancelled':
      return 'cancelled';
    default:
      return printableValue(reason);
  }
}

function describeJobEnd({ status, message, attempts, durationMs, allowed }: RunEvent): string {
  const after = Number(attempts) > 1 ? ` after ${printableValue(attempts)} attempts` : '';
  const why = message === undefined || status === 'succeeded' ? '' : `: ${printableValue(message)}`;
  const note = allowed === true ? ' (failure allowed)' : '';
  return `${printableValue(status)}${after} in ${formatDuration(Number(durationMs))}${why}${note}`;
}

function count(number: unknown, noun: string): string {
  return `${printableValue(number)} ${noun}${number === 1 ? '' : 's'}`;
}
