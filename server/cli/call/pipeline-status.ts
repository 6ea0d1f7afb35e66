// What a pipeline tells of its jobs, in sentences for people: one line for each thing worth a word.

import type { RunEvent } from '../../../protocol/messages.ts';
import { fact, seconds, size } from './words.ts';

/** The line for an event of a pipeline; undefined for what needs none, and for events of others. */
export function describePipelineEvent(event: RunEvent): string | undefined {
  const said = sayings[event.type]?.(event);
  if (said === undefined || event['job'] === undefined) return said;
  return `[${fact(event['job'])}] ${said}`;
}

/** What a job is doing, for a place where its name stands already; undefined for steps that are over in no time. */
export function describeStep(event: RunEvent): string | undefined {
  const { image, service, files, bytes } = event;
  switch (event['step']) {
    case 'image-pulling': return `pulling ${fact(image)}`;
    case 'image-pulled': return `pulled ${fact(image)}`;
    case 'image-building': return `building an image from ${fact(event['dockerfile'])}`;
    case 'image-built': return `built ${fact(image)} from ${fact(event['dockerfile'])}`;
    case 'service-starting': return `starting the service ${fact(service)} (${fact(image)})`;
    case 'service-healthy': return `the service ${fact(service)} is ready`;
    case 'files-copied': return `copied ${count(files, 'file')} (${size(Number(bytes))})`;
    case 'command-started': return `$ ${fact(event['command'])}`;
    case 'artifacts-kept': return `kept ${count(files, 'artifact')} (${size(Number(bytes))})`;
    default: return undefined;
  }
}

const jobsShown = 10;

const sayings: Readonly<Record<string, (event: RunEvent) => string | undefined>> = {
  // Of many jobs there are several of these; the first one says how many there are.
  'pipeline-planned': ({ jobs, from = 0, of }) => {
    if (from !== 0) return undefined;
    const ids = (Array.isArray(jobs) ? jobs : []).map((job) => fact((job as { id?: unknown }).id));
    const all = typeof of === 'number' ? of : ids.length;
    const more = all - jobsShown;
    return `${count(all, 'job')}: ${ids.slice(0, jobsShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  },
  'pipeline-warning': ({ message, line, column }) => `warning: ${typeof line === 'number' ? `line ${line}, column ${fact(column)}: ` : ''}${fact(message)}`,
  'job-started': ({ attempt, attempts }) => (Number(attempt) > 1 ? `started again (attempt ${fact(attempt)} of ${fact(attempts)})` : 'started'),
  'job-step': (event) => describeStep(event),
  'job-retrying': (event) => describeRetry(event),
  'job-skipped': (event) => `skipped: ${describeSkip(event)}`,
  'job-ended': (event) => describeJobEnd(event),
};

export function describeRetry({ attempt, attempts, delayMs, message }: RunEvent): string {
  return `failed (attempt ${fact(attempt)} of ${fact(attempts)}), trying again in ${seconds(Number(delayMs))}: ${fact(message)}`;
}

export function describeSkip({ reason, condition, failed }: RunEvent): string {
  switch (reason) {
    case 'condition': return condition === undefined ? 'its condition is false' : `its condition is false: ${fact(condition)}`;
    case 'upstream_failed': return failed === undefined ? 'an earlier job failed' : `${fact(failed)} failed`;
    case 'nothing_failed': return 'nothing failed';
    case 'cancelled': return 'cancelled';
    default: return fact(reason);
  }
}

function describeJobEnd({ status, message, attempts, durationMs, allowed }: RunEvent): string {
  const after = Number(attempts) > 1 ? ` after ${fact(attempts)} attempts` : '';
  const why = message === undefined || status === 'succeeded' ? '' : `: ${fact(message)}`;
  return `${fact(status)}${after} in ${seconds(Number(durationMs))}${why}${allowed === true ? ' (which it may)' : ''}`;
}

function count(number: unknown, noun: string): string {
  return `${fact(number)} ${noun}${number === 1 ? '' : 's'}`;
}
