// Tests the mapping of pipeline events to the events and status lines of pin.

import { expect } from 'chai';
import type { RunRecord } from '../../../protocol/run-record.ts';
import {
  dataBytesMax,
  encodeEvent,
  eventTypes,
  type PinEvent,
  readEventHead,
} from '../../../server/compat/pin/events/event.ts';
import { encodeOutput, jsonPieces } from '../../../server/compat/pin/events/output-events.ts';
import { formatPinDuration } from '../../../server/compat/pin/format-duration.ts';
import { JobTracker } from '../../../server/compat/pin/runs/job-tracker.ts';
import {
  endEvent,
  errorEvent,
  type RunOrigin,
  startEvent,
  triggerEvent,
} from '../../../server/compat/pin/runs/lifecycle-events.ts';
import { mapEvent, type PinEventData } from '../../../server/compat/pin/runs/map-events.ts';
import { pinRecord } from '../../../server/compat/pin/runs/record.ts';
import type { JobStep, PipelineEvent } from '../../../server/pipeline/run/events/events.ts';
import { readTable, stripMarkup } from '../../helpers/docs/markdown-tables.ts';

const time = '2026-01-01T00:00:00.000Z';
const named = (id: string): string => id;

/** An event without its time. */
type Timeless<E = PipelineEvent> = E extends { readonly time: string } ? Omit<E, 'time'> : never;

function mapToPin(event: Timeless): readonly PinEventData[] {
  return mapEvent({ time, ...event } as PipelineEvent, named);
}

/** Returns the status lines of a step. */
function statusLines(step: JobStep): readonly string[] {
  return mapToPin({ type: 'job-step', job: 'build', ...step }).map(
    ({ type, level, message }) => `${type} ${level} ${message}`,
  );
}

describe('the status lines of a job', () => {
  const table: readonly (readonly [JobStep, ...string[]])[] = [
    [{ step: 'image-available', image: 'alpine' }, 'Image is available'],
    [{ step: 'image-pulling', image: 'alpine:3' }, 'Image pulling: alpine:3', 'Waiting for docker response...'],
    [{ step: 'image-pulled', image: 'alpine:3' }],
    [{ step: 'image-building', dockerfile: 'docker/Dockerfile' }, 'Building image from Dockerfile: docker/Dockerfile'],
    [
      { step: 'image-built', image: 'build-custom:latest', dockerfile: 'docker/Dockerfile' },
      'Image built successfully: build-custom:latest',
    ],
    [{ step: 'service-starting', service: 'db', image: 'postgres' }, 'Starting the service: db'],
    [{ step: 'service-healthy', service: 'db', image: 'postgres' }, 'Service is ready: db'],
    [{ step: 'container-creating' }, 'Start creating container'],
    [{ step: 'files-copied', files: 3, bytes: 10 }],
    [{ step: 'container-starting' }, 'Starting the container'],
    [{ step: 'shell-started' }, 'soloExecution disabled, shell command started!'],
    [{ step: 'command-started', command: 'make all' }, 'Execute command: make all'],
    [{ step: 'script-succeeded' }, 'Command execution successful'],
    [{ step: 'script-failed', exitCode: 2 }, 'Command execution failed'],
    [{ step: 'artifacts-kept', files: 3, bytes: 10 }],
    [{ step: 'container-removing' }, 'Container removing'],
    [{ step: 'container-removed' }, 'Container removed'],
  ];
  for (const [step, ...expected] of table) {
    const shown =
      expected.length === 0
        ? 'no status line'
        : `the status lines ${expected.map((line) => `"${line}"`).join(' and ')}`;
    it(`the step ${step.step} has ${shown}`, () => {
      expect(statusLines(step)).to.deep.equal(expected.map((line) => `log info ${line}`));
    });
  }
});

describe('the events of a pipeline', () => {
  const table: readonly (readonly [string, Timeless, readonly PinEventData[]])[] = [
    [
      'a started container',
      { type: 'job-step', job: 'b', step: 'container-started', container: 'c0ffee', image: 'alpine' },
      [
        {
          type: 'job_container_start',
          level: 'info',
          message: 'Container started',
          container_id: 'c0ffee',
          image: 'alpine',
        },
      ],
    ],
    [
      'a started host job',
      { type: 'job-step', job: 'b', step: 'host-started' },
      [{ type: 'job_host_start', level: 'info', message: 'Host job started' }],
    ],
    [
      'a job that is retried',
      {
        type: 'job-retrying',
        job: 'b',
        attempt: 1,
        attempts: 3,
        delayMs: 1500,
        message: 'command execution failed (exit code 1)',
      },
      [
        {
          type: 'log',
          level: 'info',
          message: 'Job failed (attempt 1/3), retrying in 1.5s: command execution failed (exit code 1)',
        },
        {
          type: 'job_retry',
          level: 'warning',
          message: 'Job failed (attempt 1/3), retrying in 1.5s: command execution failed (exit code 1)',
          attempt: 1,
          max_attempts: 3,
          delay: 1.5,
          error: 'command execution failed (exit code 1)',
        },
      ],
    ],
    [
      'a job skipped by its condition',
      { type: 'job-skipped', job: 'b', reason: 'condition', condition: '$A == "1"' },
      [
        { type: 'log', level: 'info', message: 'Job skipped due to condition: $A == "1"' },
        {
          type: 'job_skipped',
          level: 'warning',
          message: 'Job skipped due to condition: $A == "1"',
          reason: 'condition',
          condition: '$A == "1"',
        },
      ],
    ],
    [
      'pin defect 21: a job skipped because another failed',
      { type: 'job-skipped', job: 'b', reason: 'upstream_failed', failed: 'a' },
      [
        { type: 'log', level: 'info', message: "Job skipped: job 'a' failed" },
        { type: 'job_skipped', level: 'warning', message: "Job skipped: job 'a' failed", reason: 'upstream_failed' },
      ],
    ],
    [
      'a job for failures, skipped without one',
      { type: 'job-skipped', job: 'b', reason: 'nothing_failed' },
      [
        { type: 'log', level: 'info', message: 'Job skipped: no job failed' },
        { type: 'job_skipped', level: 'warning', message: 'Job skipped: no job failed', reason: 'nothing_failed' },
      ],
    ],
    [
      'a successful job',
      { type: 'job-ended', job: 'b', status: 'succeeded', attempts: 2, attemptsMax: 3, durationMs: 45_100 },
      [
        { type: 'log', level: 'info', message: 'Job ended' },
        {
          type: 'job_completed',
          level: 'success',
          message: 'Job completed successfully',
          status: 'success',
          duration: '45s',
          duration_ms: 45_100,
          attempts: 2,
        },
      ],
    ],
    [
      'a job that failed in its only attempt',
      {
        type: 'job-ended',
        job: 'b',
        status: 'failed',
        message: 'job timed out after 1s',
        attempts: 1,
        attemptsMax: 1,
        durationMs: 1000,
      },
      [
        { type: 'log', level: 'info', message: 'Job ended' },
        {
          type: 'job_failed',
          level: 'error',
          message: 'Job failed: job timed out after 1s',
          status: 'failed',
          error: 'job timed out after 1s',
          attempts: 1,
          max_attempts: 1,
          duration: '1s',
          duration_ms: 1000,
        },
      ],
    ],
    [
      'a job that failed in its last attempt',
      {
        type: 'job-ended',
        job: 'b',
        status: 'failed',
        message: 'command execution failed (exit code 3)',
        exitCode: 3,
        command: 'make',
        attempts: 3,
        attemptsMax: 3,
        durationMs: 90_000,
      },
      [
        { type: 'log', level: 'info', message: 'Job failed after 3 attempts' },
        { type: 'log', level: 'info', message: 'Job ended' },
        {
          type: 'job_failed',
          level: 'error',
          message: 'Job failed: command execution failed (exit code 3)',
          status: 'failed',
          error: 'command execution failed (exit code 3)',
          exit_code: 3,
          command: 'make',
          attempts: 3,
          max_attempts: 3,
          duration: '1m 30s',
          duration_ms: 90_000,
        },
      ],
    ],
    [
      'a cancelled job',
      { type: 'job-ended', job: 'b', status: 'cancelled', attempts: 1, attemptsMax: 1, durationMs: 1000 },
      [
        { type: 'log', level: 'info', message: 'Job cancelled' },
        { type: 'log', level: 'info', message: 'Job ended' },
      ],
    ],
    [
      'a warning about the file',
      { type: 'pipeline-warning', message: 'unknown key', line: 3, column: 5 },
      [{ type: 'log', level: 'warning', message: '3:5: unknown key' }],
    ],
    ['a plan', { type: 'pipeline-planned', jobs: [], logsWithTime: false }, []],
    ['a queued job', { type: 'job-queued', job: 'b' }, []],
    ['a started job', { type: 'job-started', job: 'b', attempt: 1, attempts: 1 }, []],
  ];
  for (const [what, event, expected] of table)
    it(`${what} is mapped to events of pin`, () => expect(mapToPin(event)).to.deep.equal(expected));
});

describe('the events of a run', () => {
  const run: RunRecord = {
    id: 'r',
    call: 'pin',
    params: [],
    caller: 'pin',
    node: 'n',
    state: 'ended',
    lines: 0,
    bytes: 0,
    queuedAt: time,
    startedAt: '2026-01-01T00:00:10.000Z',
    // Before the start, as if the clock had been set back: the duration must not come from these times.
    endedAt: '2025-12-31T23:59:00.000Z',
    durationMs: 90_000,
    outcome: 'succeeded',
  };
  const origin = { source: 'http_endpoint' } as const;
  const file = { source: 'initial_file', file: 'start.yaml' } as const;
  const failure = 'job "build" failed: command execution failed (exit code 1)';
  const end = (changed: Partial<RunRecord>, of: RunOrigin): PinEventData =>
    endEvent(pinRecord({ ...run, ...changed }, { source: of.source, jobs: [] }), of, run.durationMs);
  const table: readonly (readonly [string, PinEventData, PinEventData])[] = [
    [
      'when it is triggered',
      triggerEvent(origin),
      {
        type: 'pipeline_trigger',
        level: 'info',
        message: 'Pipeline trigger request received',
        source: 'http_endpoint',
      },
    ],
    [
      'when it starts',
      startEvent({ source: 'github_webhook' }),
      { type: 'pipeline_started', level: 'info', message: 'Pipeline execution started', source: 'github_webhook' },
    ],
    [
      'when it succeeded',
      end({}, origin),
      {
        type: 'pipeline_complete',
        level: 'info',
        message: 'Pipeline execution completed successfully',
        source: 'http_endpoint',
        total_duration: '1m 30s',
      },
    ],
    [
      'when it failed',
      end({ outcome: 'failed', message: failure }, origin),
      {
        type: 'pipeline_error',
        level: 'error',
        message: 'Pipeline execution failed',
        error: 'pipeline execution failed: command execution failed (exit code 1)',
        source: 'http_endpoint',
      },
    ],
    [
      'when it was cancelled',
      end({ outcome: 'cancelled' }, origin),
      {
        type: 'pipeline_cancelled',
        level: 'warning',
        message: 'Pipeline execution cancelled',
        source: 'http_endpoint',
      },
    ],
    [
      'when the initial pipeline succeeded',
      end({}, file),
      {
        type: 'pipeline_complete',
        level: 'info',
        message: 'Initial pipeline execution completed successfully',
        file: 'start.yaml',
        total_duration: '1m 30s',
      },
    ],
    [
      'when the initial pipeline failed',
      end({ outcome: 'failed', message: failure }, file),
      {
        type: 'pipeline_error',
        level: 'error',
        message: 'Initial pipeline execution failed',
        error: 'pipeline execution failed: command execution failed (exit code 1)',
        file: 'start.yaml',
      },
    ],
    [
      'when it is rejected',
      errorEvent(origin, 'pipeline validation failed: x'),
      {
        type: 'pipeline_error',
        level: 'error',
        message: 'Pipeline execution failed',
        error: 'pipeline validation failed: x',
        source: 'http_endpoint',
      },
    ],
  ];
  for (const [when, event, expected] of table)
    it(`a run emits the expected event ${when}`, () => expect(event).to.deep.equal(expected));

  it('docs/pin.md lists every event type', () => {
    const rows = readTable('pin.md', 'Events').map((row) => stripMarkup(row['type']!));
    expect(rows.flatMap((row) => row.split(', '))).to.have.members(eventTypes);
  });

  it('the record of a failed run names the first failed job', () => {
    const record = pinRecord({ ...run, outcome: 'failed', message: failure }, { source: 'http_endpoint', jobs: [] });
    expect(record).to.deep.equal({
      id: 'r',
      status: 'failed',
      source: 'http_endpoint',
      queued_at: time,
      started_at: run.startedAt,
      completed_at: run.endedAt,
      error: "pipeline execution failed: job 'build' failed: command execution failed (exit code 1)",
      jobs: [],
    });
  });
});

describe('the jobs of a record', () => {
  const trackJobs = (...events: readonly Timeless[]): JobTracker => {
    const jobs = new JobTracker();
    for (const event of events) jobs.apply({ time, ...event } as PipelineEvent);
    return jobs;
  };
  const plan: Timeless = {
    type: 'pipeline-planned',
    logsWithTime: false,
    jobs: ['Build', 'Build#2', 'test (node=20)'].map((id) => ({
      id,
      name: id.replace(/[ #].*/, ''),
      after: [],
      stage: 0,
    })),
  };

  it('the name of a job is that in the pipeline file, and for a matrix job also contains the values', () => {
    expect(
      trackJobs(plan)
        .list()
        .map(({ name }) => name),
    ).to.deep.equal(['Build', 'Build', 'test (node=20)']);
    expect(trackJobs(plan).displayName('Build#2')).to.equal('Build');
  });

  it('a job is first pending, then running, and then has its result', () => {
    const jobs = trackJobs(
      plan,
      { type: 'job-started', job: 'Build', attempt: 1, attempts: 2 },
      { type: 'job-started', job: 'Build', attempt: 2, attempts: 2 },
      { type: 'job-ended', job: 'Build', status: 'succeeded', exitCode: 0, attempts: 2, attemptsMax: 2, durationMs: 1 },
      { type: 'job-started', job: 'Build#2', attempt: 1, attempts: 1 },
    );
    expect(jobs.list()).to.deep.equal([
      { name: 'Build', status: 'success', attempts: 2, started_at: time, exit_code: 0, completed_at: time },
      { name: 'Build', status: 'running', attempts: 1, started_at: time },
      { name: 'test (node=20)', status: 'pending', attempts: 0 },
    ]);
    jobs.settle('failed');
    expect(jobs.list().map(({ status }) => status)).to.deep.equal(['success', 'failed', 'skipped']);
  });

  it('the jobs of a cancelled run are cancelled', () => {
    const jobs = trackJobs(plan, { type: 'job-started', job: 'Build', attempt: 1, attempts: 1 });
    jobs.settle('cancelled');
    expect(jobs.list().map(({ status }) => status)).to.deep.equal(['cancelled', 'cancelled', 'cancelled']);
  });
});

describe('a duration in the pin API', () => {
  it('a duration is written in whole seconds', () => {
    expect([0, 499, 500, 45_000, 90_000, 3_600_000, 8_130_000, -5].map(formatPinDuration)).to.deep.equal([
      '0s',
      '0s',
      '1s',
      '45s',
      '1m 30s',
      '1h 0m 0s',
      '2h 15m 30s',
      '0s',
    ]);
  });
});

describe('the JSON of an event', () => {
  it('the JSON of an event starts with its type and its run', () => {
    const event: PinEvent = { level: 'info', message: 'm', timestamp: time, job: 'j', type: 'log', run_id: 'abc' };
    expect(encodeEvent(event)).to.match(/^\{"type":"log","run_id":"abc",/);
    expect(readEventHead(Buffer.from(encodeEvent(event)))).to.deep.equal({ type: 'log', run: 'abc' });
    expect(
      readEventHead(
        Buffer.from(encodeEvent({ type: 'daemon_stop', level: 'info', message: 'run_id', timestamp: time })),
      ),
    ).to.deep.equal({ type: 'daemon_stop', run: undefined });
  });

  it('the JSON of an event never exceeds the limit', () => {
    const event: PinEvent = {
      type: 'job_failed',
      level: 'error',
      message: '\0'.repeat(100_000),
      timestamp: time,
      error: '😀'.repeat(100_000),
    };
    const json = encodeEvent(event);
    expect(Buffer.byteLength(json)).to.be.at.most(dataBytesMax);
    expect(JSON.parse(json)).to.include({ type: 'job_failed', level: 'error' });
  });

  it('a line of output becomes one event, a long line several', () => {
    const of = { run: 'abc', job: 'build "x"', stream: 'stderr', timestamp: time } as const;
    const long = `${'x'.repeat(130_000)}${'\0'.repeat(20_000)}${'😀€é"\\'.repeat(20_000)}`;
    const events = encodeOutput(['', 'plain', long, 'é'], of).split('\n').slice(0, -1);
    expect(Math.max(...events.map((json) => Buffer.byteLength(json)))).to.be.within(dataBytesMax - 20, dataBytesMax);
    const parsed = events.map((json) => JSON.parse(json) as PinEvent);
    expect(parsed.slice(0, 2).map(({ message }) => message)).to.deep.equal(['', 'plain']);
    expect(
      parsed
        .slice(2, -1)
        .map(({ message }) => message)
        .join(''),
    ).to.equal(long);
    expect(parsed.at(-1)).to.deep.equal({
      type: 'log',
      run_id: 'abc',
      level: 'info',
      message: 'é',
      timestamp: time,
      job: 'build "x"',
      stream: 'stderr',
    });
    expect(readEventHead(Buffer.from(events[0]!))).to.deep.equal({ type: 'log', run: 'abc' });
  });

  it('a long line is split between characters only', () => {
    for (const bytesMax of [14, 15, 16, 17, 40]) {
      const pieces = jsonPieces('a😀b\u0001é"\\😀', bytesMax);
      expect(pieces.every((piece) => Buffer.byteLength(piece) <= bytesMax)).to.equal(true);
      expect(pieces.map((piece) => JSON.parse(piece) as string).join('')).to.equal('a😀b\u0001é"\\😀');
      expect(pieces.every((piece) => !piece.includes('\\ud'))).to.equal(true);
    }
  });
});
