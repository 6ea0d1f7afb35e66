// What is told of a run as a whole: when it is asked for, when it begins, and how it ends.

import { spokenDuration } from '../durations.ts';
import type { EventType, Level } from '../events/event.ts';
import type { PinRecord, Source } from './record.ts';
import type { Said } from './translate.ts';

/** Where a run came from. `file`: the name of the initial file, in whose events it stands in place of the source. */
export interface Origin {
  readonly source: Source;
  readonly file?: string;
}

export const triggered = (origin: Origin): Said => said('pipeline_trigger', 'info', 'Pipeline trigger request received', { source: origin.source });

export const started = (origin: Origin): Said => said('pipeline_started', 'info', 'Pipeline execution started', { source: origin.source });

/** The last event of a run that is over. */
export function finished(record: PinRecord, origin: Origin): Said {
  switch (record.status) {
    case 'success':
      return said('pipeline_complete', 'info', `${subject(origin)} completed successfully`, { ...from(origin), total_duration: spokenDuration(durationOf(record)) });
    case 'cancelled': return said('pipeline_cancelled', 'warning', 'Pipeline execution cancelled', { source: origin.source });
    default: return failed(origin, withoutJob(record.error ?? ''));
  }
}

/** Also of a pipeline that was not taken. */
export function failed(origin: Origin, error: string): Said {
  return said('pipeline_error', 'error', `${subject(origin)} failed`, { error, ...from(origin) });
}

function said(type: EventType, level: Level, message: string, facts: object): Said {
  return { type, level, message, ...facts };
}

function subject({ file }: Origin): string {
  return file === undefined ? 'Pipeline execution' : 'Initial pipeline execution';
}

function from({ source, file }: Origin): object {
  return file === undefined ? { source } : { file };
}

function durationOf({ started_at, completed_at }: PinRecord): number {
  return Date.parse(completed_at ?? started_at) - Date.parse(started_at);
}

/** Why, and not which job: that one has an event of its own. */
function withoutJob(error: string): string {
  return error.replace(/^(pipeline execution failed: )job '.*?' failed: /, '$1');
}
