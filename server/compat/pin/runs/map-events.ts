// Maps events of a pipeline to events of pin: events of jobs, and the status lines that pin prints.

import type { JobEnded, JobStep, PipelineEvent } from '../../../pipeline/run/events/events.ts';
import type { EventType, Level } from '../events/event.ts';
import { formatPinDuration } from '../format-duration.ts';

/** An event without run, job and time. */
export interface PinEventData {
  readonly type: EventType;
  readonly level: Level;
  readonly message: string;
  readonly [detail: string]: unknown;
}

/**
 * Returns the events of pin for an event of a pipeline; none if pin has no such event. `nameOf` returns the name of a
 * job.
 */
export function mapEvent(event: PipelineEvent, nameOf: (id: string) => string): readonly PinEventData[] {
  switch (event.type) {
    case 'pipeline-planned':
    case 'job-queued':
    case 'job-started':
      return [];
    case 'pipeline-warning':
      return [{ type: 'log', level: 'warning', message: warning(event) }];
    case 'job-step':
      return stepEvents(event);
    case 'job-retrying':
      return retryEvents(event);
    case 'job-skipped':
      return skipEvents(event, nameOf);
    case 'job-ended':
      return endEvents(event);
    default:
      return event satisfies never;
  }
}

type EventOf<T extends PipelineEvent['type']> = Extract<PipelineEvent, { readonly type: T }>;

function status(message: string): PinEventData {
  return { type: 'log', level: 'info', message };
}

function warning({ message, line, column }: EventOf<'pipeline-warning'>): string {
  return line === undefined ? message : `${line}:${column ?? 1}: ${message}`;
}

function stepEvents(step: JobStep): readonly PinEventData[] {
  switch (step.step) {
    case 'container-started':
      return [
        {
          type: 'job_container_start',
          level: 'info',
          message: 'Container started',
          container_id: step.container,
          image: step.image,
        },
      ];
    case 'host-started':
      return [{ type: 'job_host_start', level: 'info', message: 'Host job started' }];
    default:
      return statusLines(step).map(status);
  }
}

function statusLines(
  step: Exclude<JobStep, { readonly step: 'container-started' | 'host-started' }>,
): readonly string[] {
  switch (step.step) {
    case 'image-available':
      return ['Image is available'];
    case 'image-pulling':
      return [`Image pulling: ${step.image}`, 'Waiting for docker response...'];
    case 'image-building':
      return [`Building image from Dockerfile: ${step.dockerfile}`];
    case 'image-built':
      return [`Image built successfully: ${step.image}`];
    case 'service-starting':
      return [`Starting the service: ${step.service}`];
    case 'service-healthy':
      return [`Service is ready: ${step.service}`];
    case 'container-creating':
      return ['Start creating container'];
    case 'container-starting':
      return ['Starting the container'];
    case 'shell-started':
      return ['soloExecution disabled, shell command started!'];
    case 'command-started':
      return [`Execute command: ${step.command}`];
    case 'script-succeeded':
      return ['Command execution successful'];
    case 'script-failed':
      return ['Command execution failed'];
    case 'container-removing':
      return ['Container removing'];
    case 'container-removed':
      return ['Container removed'];
    case 'image-pulled':
    case 'files-copied':
    case 'artifacts-kept':
      return [];
    default:
      return step satisfies never;
  }
}

/** Returns the retry also as a status line, for clients that only read status lines. */
function retryEvents({ attempt, attempts, delayMs, message: error }: EventOf<'job-retrying'>): readonly PinEventData[] {
  const delay = delayMs / 1000;
  const message = `Job failed (attempt ${attempt}/${attempts}), retrying in ${delay}s: ${error}`;
  return [
    status(message),
    { type: 'job_retry', level: 'warning', message, attempt, max_attempts: attempts, delay, error },
  ];
}

function skipEvents(event: EventOf<'job-skipped'>, nameOf: (id: string) => string): readonly PinEventData[] {
  const message = skipMessage(event, nameOf);
  return [
    status(message),
    {
      type: 'job_skipped',
      level: 'warning',
      message,
      reason: event.reason,
      ...(event.condition !== undefined && { condition: event.condition }),
    },
  ];
}

function skipMessage({ reason, condition, failed }: EventOf<'job-skipped'>, nameOf: (id: string) => string): string {
  switch (reason) {
    case 'condition':
      return `Job skipped due to condition: ${condition ?? ''}`;
    case 'upstream_failed':
      return `Job skipped: job '${nameOf(failed ?? '')}' failed`;
    case 'nothing_failed':
      return 'Job skipped: no job failed';
    case 'cancelled':
      return 'Job skipped: the pipeline was cancelled';
    default:
      return reason satisfies never;
  }
}

function endEvents(event: JobEnded): readonly PinEventData[] {
  const { attempts, attemptsMax, message = '', durationMs, exitCode, oomKilled, command, allowed } = event;
  const duration = { duration: formatPinDuration(durationMs), duration_ms: durationMs };
  switch (event.status) {
    case 'succeeded':
      return [
        status('Job ended'),
        {
          type: 'job_completed',
          level: 'success',
          message: 'Job completed successfully',
          status: 'success',
          ...duration,
          attempts,
        },
      ];
    case 'failed':
      return [
        ...(attemptsMax > 1 ? [status(`Job failed after ${attempts} attempts`)] : []),
        status('Job ended'),
        {
          type: 'job_failed',
          level: 'error',
          message: `Job failed: ${message}`,
          status: 'failed',
          error: message,
          ...(exitCode !== undefined && { exit_code: exitCode }),
          ...(command !== undefined && { command }),
          ...(oomKilled && { oom_killed: true }),
          ...(allowed && { allowed: true }),
          attempts,
          max_attempts: attemptsMax,
          ...duration,
        },
      ];
    case 'cancelled':
      return [status('Job cancelled'), status('Job ended')];
    default:
      return event.status satisfies never;
  }
}
