// What a pipeline tells, in the words of pin: every event, every status line.

import { expect } from 'chai';
import { spokenDuration } from '../../../server/doors/pin/durations.ts';
import { dataBytesMax, encodeEvent, eventTypes, headOf, type PinEvent } from '../../../server/doors/pin/events/event.ts';
import { jsonPieces, outputEvents } from '../../../server/doors/pin/events/output.ts';
import { Jobs } from '../../../server/doors/pin/runs/jobs.ts';
import { pinRecord } from '../../../server/doors/pin/runs/record.ts';
import { failed, finished, started, triggered, type Origin } from '../../../server/doors/pin/runs/told.ts';
import { translate, type Said } from '../../../server/doors/pin/runs/translate.ts';
import type { JobStep, PipelineEvent } from '../../../server/pipeline/run/events.ts';
import type { RunRecord } from '../../../protocol/record.ts';
import { plain, tableUnder } from '../../helpers/documents.ts';

const time = '2026-01-01T00:00:00.000Z';
const named = (id: string): string => id;

/** Without its time. */
type Timeless<E = PipelineEvent> = E extends { readonly time: string } ? Omit<E, 'time'> : never;

function said(event: Timeless): readonly Said[] {
  return translate({ time, ...event } as PipelineEvent, named);
}

/** Status lines alone. */
function lines(step: JobStep): readonly string[] {
  return said({ type: 'job-step', job: 'build', ...step }).map(({ type, level, message }) => `${type} ${level} ${message}`);
}

describe('the status lines of a job', () => {
  const table: readonly (readonly [JobStep, ...string[]])[] = [
    [{ step: 'image-available', image: 'alpine' }, 'Image is available'],
    [{ step: 'image-pulling', image: 'alpine:3' }, 'Image pulling: alpine:3', 'Waiting for docker response...'],
    [{ step: 'image-pulled', image: 'alpine:3' }],
    [{ step: 'image-building', dockerfile: 'docker/Dockerfile' }, 'Building image from Dockerfile: docker/Dockerfile'],
    [{ step: 'image-built', image: 'build-custom:latest', dockerfile: 'docker/Dockerfile' }, 'Image built successfully: build-custom:latest'],
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
    it(`at ${step.step} are ${expected.length === 0 ? 'none' : expected.map((line) => `"${line}"`).join(' and ')}`, () => {
      expect(lines(step)).to.deep.equal(expected.map((line) => `log info ${line}`));
    });
  }
});

describe('an event of a pipeline', () => {
  const table: readonly (readonly [string, Timeless, readonly Said[]])[] = [
    ['a container that has started', { type: 'job-step', job: 'b', step: 'container-started', container: 'c0ffee', image: 'alpine' },
      [{ type: 'job_container_start', level: 'info', message: 'Container started', container_id: 'c0ffee', image: 'alpine' }]],
    ['a host job that has started', { type: 'job-step', job: 'b', step: 'host-started' }, [{ type: 'job_host_start', level: 'info', message: 'Host job started' }]],
    ['a job that is tried again', { type: 'job-retrying', job: 'b', attempt: 1, attempts: 3, delayMs: 1500, message: 'command execution failed (exit code 1)' }, [
      { type: 'log', level: 'info', message: 'Job failed (attempt 1/3), retrying in 1.5s: command execution failed (exit code 1)' },
      {
        type: 'job_retry', level: 'warning', message: 'Job failed (attempt 1/3), retrying in 1.5s: command execution failed (exit code 1)',
        attempt: 1, max_attempts: 3, delay: 1.5, error: 'command execution failed (exit code 1)',
      },
    ]],
    ['a job that is skipped for its condition', { type: 'job-skipped', job: 'b', reason: 'condition', condition: '$A == "1"' }, [
      { type: 'log', level: 'info', message: 'Job skipped due to condition: $A == "1"' },
      { type: 'job_skipped', level: 'warning', message: 'Job skipped due to condition: $A == "1"', reason: 'condition', condition: '$A == "1"' },
    ]],
    ['pin defect 21: a job that is skipped because another failed', { type: 'job-skipped', job: 'b', reason: 'upstream_failed', failed: 'a' }, [
      { type: 'log', level: 'info', message: "Job skipped: job 'a' failed" },
      { type: 'job_skipped', level: 'warning', message: "Job skipped: job 'a' failed", reason: 'upstream_failed' },
    ]],
    ['a job that was for a failure', { type: 'job-skipped', job: 'b', reason: 'nothing_failed' }, [
      { type: 'log', level: 'info', message: 'Job skipped: no job failed' }, { type: 'job_skipped', level: 'warning', message: 'Job skipped: no job failed', reason: 'nothing_failed' },
    ]],
    ['a job that has succeeded', { type: 'job-ended', job: 'b', status: 'succeeded', attempts: 2, attemptsMax: 3, durationMs: 45_100 }, [
      { type: 'log', level: 'info', message: 'Job ended' },
      { type: 'job_completed', level: 'success', message: 'Job completed successfully', status: 'success', duration: '45s', duration_ms: 45_100, attempts: 2 },
    ]],
    ['a job that has failed at its only try', { type: 'job-ended', job: 'b', status: 'failed', message: 'job timed out after 1s', attempts: 1, attemptsMax: 1, durationMs: 1000 }, [
      { type: 'log', level: 'info', message: 'Job ended' },
      {
        type: 'job_failed', level: 'error', message: 'Job failed: job timed out after 1s', status: 'failed', error: 'job timed out after 1s',
        attempts: 1, max_attempts: 1, duration: '1s', duration_ms: 1000,
      },
    ]],
    ['a job that has failed at its last try', { type: 'job-ended', job: 'b', status: 'failed', message: 'command execution failed (exit code 3)', exitCode: 3, command: 'make', attempts: 3, attemptsMax: 3, durationMs: 90_000 }, [
      { type: 'log', level: 'info', message: 'Job failed after 3 attempts' },
      { type: 'log', level: 'info', message: 'Job ended' },
      {
        type: 'job_failed', level: 'error', message: 'Job failed: command execution failed (exit code 3)', status: 'failed', error: 'command execution failed (exit code 3)', exit_code: 3,
        command: 'make', attempts: 3, max_attempts: 3, duration: '1m 30s', duration_ms: 90_000,
      },
    ]],
    ['a job that was cancelled', { type: 'job-ended', job: 'b', status: 'cancelled', attempts: 1, attemptsMax: 1, durationMs: 1000 },
      [{ type: 'log', level: 'info', message: 'Job cancelled' }, { type: 'log', level: 'info', message: 'Job ended' }]],
    ['a word about the file', { type: 'pipeline-warning', message: 'unknown key', line: 3, column: 5 }, [{ type: 'log', level: 'warning', message: '3:5: unknown key' }]],
    ['a plan', { type: 'pipeline-planned', jobs: [], logsWithTime: false }, []],
    ['a job whose turn it is', { type: 'job-queued', job: 'b' }, []],
    ['a job that begins', { type: 'job-started', job: 'b', attempt: 1, attempts: 1 }, []],
  ];
  for (const [what, event, expected] of table) it(`tells of ${what}`, () => expect(said(event)).to.deep.equal(expected));
});

describe('the events of a run as a whole', () => {
  const run: RunRecord = {
    id: 'r', call: 'pin', params: [], caller: 'pin', node: 'n', state: 'ended', lines: 0, bytes: 0,
    queuedAt: time, startedAt: '2026-01-01T00:00:10.000Z', endedAt: '2026-01-01T00:01:40.000Z', outcome: 'succeeded',
  };
  const origin = { source: 'http_endpoint' } as const;
  const file = { source: 'initial_file', file: 'start.yaml' } as const;
  const failure = 'job "build" failed: command execution failed (exit code 1)';
  const end = (changed: Partial<RunRecord>, of: Origin): Said => finished(pinRecord({ ...run, ...changed }, { source: of.source, jobs: [] }), of);
  const table: readonly (readonly [string, Said, Said])[] = [
    ['when it is asked for', triggered(origin), { type: 'pipeline_trigger', level: 'info', message: 'Pipeline trigger request received', source: 'http_endpoint' }],
    ['when it begins', started({ source: 'github_webhook' }), { type: 'pipeline_started', level: 'info', message: 'Pipeline execution started', source: 'github_webhook' }],
    ['when it has succeeded', end({}, origin), { type: 'pipeline_complete', level: 'info', message: 'Pipeline execution completed successfully', source: 'http_endpoint', total_duration: '1m 30s' }],
    ['when it has failed', end({ outcome: 'failed', message: failure }, origin),
      { type: 'pipeline_error', level: 'error', message: 'Pipeline execution failed', error: 'pipeline execution failed: command execution failed (exit code 1)', source: 'http_endpoint' }],
    ['when it was cancelled', end({ outcome: 'cancelled' }, origin), { type: 'pipeline_cancelled', level: 'warning', message: 'Pipeline execution cancelled', source: 'http_endpoint' }],
    ['when the initial one has succeeded', end({}, file), { type: 'pipeline_complete', level: 'info', message: 'Initial pipeline execution completed successfully', file: 'start.yaml', total_duration: '1m 30s' }],
    ['when the initial one has failed', end({ outcome: 'failed', message: failure }, file),
      { type: 'pipeline_error', level: 'error', message: 'Initial pipeline execution failed', error: 'pipeline execution failed: command execution failed (exit code 1)', file: 'start.yaml' }],
    ['when it is refused', failed(origin, 'pipeline validation failed: x'), { type: 'pipeline_error', level: 'error', message: 'Pipeline execution failed', error: 'pipeline validation failed: x', source: 'http_endpoint' }],
  ];
  for (const [when, told, expected] of table) it(`tell ${when}`, () => expect(told).to.deep.equal(expected));

  it('are in the document, with their levels', () => {
    const rows = tableUnder('pin.md', 'Events').map((row) => plain(row['type']!));
    expect(rows.flatMap((row) => row.split(', '))).to.have.members(eventTypes);
  });

  it('end in a record that names the first job that failed', () => {
    const record = pinRecord({ ...run, outcome: 'failed', message: failure }, { source: 'http_endpoint', jobs: [] });
    expect(record).to.deep.equal({
      id: 'r', status: 'failed', source: 'http_endpoint', queued_at: time, started_at: run.startedAt, completed_at: run.endedAt,
      error: "pipeline execution failed: job 'build' failed: command execution failed (exit code 1)", jobs: [],
    });
  });
});

describe('the jobs of a record', () => {
  const told = (...events: readonly Timeless[]): Jobs => {
    const jobs = new Jobs();
    for (const event of events) jobs.apply({ time, ...event } as PipelineEvent);
    return jobs;
  };
  const plan: Timeless = { type: 'pipeline-planned', logsWithTime: false, jobs: ['Build', 'Build#2', 'test (node=20)'].map((id) => ({ id, name: id.replace(/[ #].*/, ''), after: [], stage: 0 })) };

  it('are called as they are spelled, those of a matrix by their values', () => {
    expect(told(plan).list().map(({ name }) => name)).to.deep.equal(['Build', 'Build', 'test (node=20)']);
    expect(told(plan).nameOf('Build#2')).to.equal('Build');
  });

  it('are pending, running, and then what has become of them', () => {
    const jobs = told(
      plan, { type: 'job-started', job: 'Build', attempt: 1, attempts: 2 }, { type: 'job-started', job: 'Build', attempt: 2, attempts: 2 },
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

  it('are cancelled with their run', () => {
    const jobs = told(plan, { type: 'job-started', job: 'Build', attempt: 1, attempts: 1 });
    jobs.settle('cancelled');
    expect(jobs.list().map(({ status }) => status)).to.deep.equal(['cancelled', 'cancelled', 'cancelled']);
  });
});

describe('a duration', () => {
  it('is spoken in whole seconds', () => {
    expect([0, 499, 500, 45_000, 90_000, 3_600_000, 8_130_000, -5].map(spokenDuration)).to.deep.equal(['0s', '0s', '1s', '45s', '1m 30s', '1h 0m 0s', '2h 15m 30s', '0s']);
  });
});

describe('the JSON of an event', () => {
  it('begins with its type and its run', () => {
    const event: PinEvent = { level: 'info', message: 'm', timestamp: time, job: 'j', type: 'log', run_id: 'abc' };
    expect(encodeEvent(event)).to.match(/^\{"type":"log","run_id":"abc",/);
    expect(headOf(Buffer.from(encodeEvent(event)))).to.deep.equal({ type: 'log', run: 'abc' });
    expect(headOf(Buffer.from(encodeEvent({ type: 'daemon_stop', level: 'info', message: 'run_id', timestamp: time })))).to.deep.equal({ type: 'daemon_stop', run: undefined });
  });

  it('is never longer than the bound', () => {
    const event: PinEvent = { type: 'job_failed', level: 'error', message: '\0'.repeat(100_000), timestamp: time, error: '😀'.repeat(100_000) };
    const json = encodeEvent(event);
    expect(Buffer.byteLength(json)).to.be.at.most(dataBytesMax);
    expect(JSON.parse(json)).to.include({ type: 'job_failed', level: 'error' });
  });

  it('of output is one for a line, and as many as are needed for a long one', () => {
    const of = { run: 'abc', job: 'build "x"', stream: 'stderr', timestamp: time } as const;
    const long = `${'x'.repeat(130_000)}${'\0'.repeat(20_000)}${'😀€é"\\'.repeat(20_000)}`;
    const events = outputEvents(['', 'plain', long, 'é'], of).split('\n').slice(0, -1);
    expect(Math.max(...events.map((json) => Buffer.byteLength(json)))).to.be.within(dataBytesMax - 20, dataBytesMax);
    const parsed = events.map((json) => JSON.parse(json) as PinEvent);
    expect(parsed.slice(0, 2).map(({ message }) => message)).to.deep.equal(['', 'plain']);
    expect(parsed.slice(2, -1).map(({ message }) => message).join('')).to.equal(long);
    expect(parsed.at(-1)).to.deep.equal({ type: 'log', run_id: 'abc', level: 'info', message: 'é', timestamp: time, job: 'build "x"', stream: 'stderr' });
    expect(headOf(Buffer.from(events[0]!))).to.deep.equal({ type: 'log', run: 'abc' });
  });

  it('is cut between characters only', () => {
    for (const room of [14, 15, 16, 17, 40]) {
      const pieces = jsonPieces('a😀b\u0001é"\\😀', room);
      expect(pieces.every((piece) => Buffer.byteLength(piece) <= room)).to.equal(true);
      expect(pieces.map((piece) => JSON.parse(piece) as string).join('')).to.equal('a😀b\u0001é"\\😀');
      expect(pieces.every((piece) => !piece.includes('\\ud'))).to.equal(true);
    }
  });
});
