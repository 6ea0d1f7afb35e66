// Events of a whole run: trigger, start and end.

import type { EventType, Level } from '../events/event.ts';
import { formatPinDuration } from '../format-duration.ts';
import type { PinEventData } from './map-events.ts';
import type { PinRecord, Source } from './record.ts';

/**
 * Origin of a run. `file` is the file name of the initial pipeline. The success and failure events of that run show
 * `file` instead of `source`.
 */
export interface RunOrigin {
  readonly source: Source;
  readonly file?: string;
}

export const triggerEvent = (origin: RunOrigin): PinEventData =>
  createEvent('pipeline_trigger', 'info', 'Pipeline trigger request received', { source: origin.source });

export const startEvent = (origin: RunOrigin): PinEventData =>
  createEvent('pipeline_started', 'info', 'Pipeline execution started', { source: origin.source });

/** Returns the last event of an ended run, which took `durationMs`. */
export function endEvent(record: PinRecord, origin: RunOrigin, durationMs = 0): PinEventData {
  switch (record.status) {
    case 'success':
      return createEvent('pipeline_complete', 'info', `${subject(origin)} completed successfully`, {
        ...originFields(origin),
        total_duration: formatPinDuration(durationMs),
      });
    case 'cancelled':
      return createEvent('pipeline_cancelled', 'warning', 'Pipeline execution cancelled', { source: origin.source });
    default:
      return errorEvent(origin, withoutJob(record.error ?? ''));
  }
}

/** Returns the event for a failed run or a rejected pipeline. */
export function errorEvent(origin: RunOrigin, error: string): PinEventData {
  return createEvent('pipeline_error', 'error', `${subject(origin)} failed`, { error, ...originFields(origin) });
}

function createEvent(type: EventType, level: Level, message: string, details: object): PinEventData {
  return { type, level, message, ...details };
}

function subject({ file }: RunOrigin): string {
  return file === undefined ? 'Pipeline execution' : 'Initial pipeline execution';
}

function originFields({ source, file }: RunOrigin): object {
  return file === undefined ? { source } : { file };
}

/** Removes the failed job from the error, because the job has its own event. */
function withoutJob(error: string): string {
  return error.replace(/^(pipeline execution failed: )job '.*?' failed: /, '$1');
}
