// Tests the runs of the pin API: records of active runs, cancellation, persistence, and restarts.

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import { EventIds } from '../../../server/compat/pin/events/event-ids.ts';
import type { PinRecord } from '../../../server/compat/pin/runs/record.ts';
import { RunIndex } from '../../../server/compat/pin/runs/run-index.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import type { RunSpec } from '../../../server/runs/run-spec.ts';
import { openStore } from '../../../server/runs/store/store.ts';
import { closePin, openPin, scriptedPipeline, withPin } from '../../helpers/compat/scripted-pin-server.ts';
import { throwError, withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const time = '2026-01-01T00:00:00.000Z';

describe('a run of the pin API', () => {
  it('pin defect 20: the record of an active run has no end, no error and no path', () =>
    withPin(async ({ trigger, record, listen, request, folder, ended }) => {
      const reader = await listen();
      const id = await trigger('waits');
      await waitUntil('the job runs', async () => (await record(id)).jobs[0]?.status === 'running');
      const running = await record(id);
      expect(running).to.have.all.keys('id', 'status', 'source', 'queued_at', 'started_at', 'jobs');
      expect(running).to.include({ id, status: 'running', source: 'http_endpoint' });
      expect(running.jobs).to.have.length(1);
      expect(running.jobs[0]).to.have.all.keys('name', 'status', 'attempts', 'started_at');
      expect(JSON.stringify([running, reader.events])).not.to.contain(folder);
      await request(`/runs/${id}/cancel`, { method: 'POST' });
      await ended(id);
      reader.cut();
    }));

  it('pin defect 25: a run can be cancelled several times while it is active', () =>
    withPin(async ({ trigger, record, listen, request, ended }) => {
      const reader = await listen();
      const id = await trigger('waits');
      await waitUntil('the job runs', async () => (await record(id)).jobs[0]?.status === 'running');
      const answers = await Promise.all([1, 2, 3].map(() => request(`/runs/${id}/cancel`, { method: 'POST' })));
      for (const { status, json } of answers)
        expect([status, json]).to.deep.equal([202, { status: 'cancelling', run_id: id }]);
      const cancelled = await ended(id);
      expect(cancelled).to.include({ status: 'cancelled', error: 'pipeline execution cancelled' });
      expect(cancelled.jobs[0]).to.include({ status: 'cancelled' });
      expect(await reader.event('pipeline_cancelled')).to.include({
        level: 'warning',
        source: 'http_endpoint',
        message: 'Pipeline execution cancelled',
        run_id: id,
      });
      const { status, json } = await request(`/runs/${id}/cancel`, { method: 'POST' });
      expect([status, json['error']]).to.deep.equal([409, 'run_finished']);
      reader.cut();
    }));

  it('a queued run is cancelled without a start event', () =>
    withPin(async ({ trigger, request, ended, listen }) => {
      const first = await trigger('waits');
      const reader = await listen();
      const id = await trigger('usual');
      await request(`/runs/${id}/cancel`, { method: 'POST' });
      expect(await ended(id)).to.deep.include({ status: 'cancelled', jobs: [] });
      await reader.event('pipeline_cancelled');
      expect(reader.events.some(({ type, run_id }) => type === 'pipeline_started' && run_id === id)).to.equal(false);
      await request(`/runs/${first}/cancel`, { method: 'POST' });
      reader.cut();
    }));

  it('pin defect 1, for the pin API: the record of a failed run names the first failed job and the skipped jobs', () =>
    withPin(async ({ trigger, ended, listen }) => {
      const reader = await listen();
      const record = await ended(await trigger('fails'));
      expect(record.status).to.equal('failed');
      expect(record.error).to.contain("job 'build' failed: command execution failed (exit code 1)");
      expect(record.jobs.map(({ name, status, exit_code }) => [name, status, exit_code])).to.deep.equal([
        ['build', 'failed', 1],
        ['after', 'skipped', undefined],
      ]);
      expect(await reader.event('pipeline_error')).to.include({
        error: 'pipeline execution failed: command execution failed (exit code 1)',
      });
      expect(await reader.event('job_failed')).to.include({ job: 'build', exit_code: 1, duration: '45s' });
      expect(await reader.event('job_skipped')).to.include({ job: 'after', reason: 'upstream_failed' });
      reader.cut();
    }));

  it('L12: last_pipeline of /health is the time of the last start, also while runs wait', () =>
    withPin(async ({ request, trigger, record, listen }) => {
      const reader = await listen();
      const [first] = [await trigger('waits'), await trigger('usual')];
      await reader.event('pipeline_started');
      const { json } = await request('/health');
      expect(json).to.include({ last_run: first, last_pipeline: (await record(first)).started_at });
      expect(json['last_pipeline']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      reader.cut();
    }));

  it('L12: a run is restored when the pin API restarts, and /health still shows its start', () =>
    withTempFolder(async (folder) => {
      const first = await openPin(folder);
      const id = await first.trigger('usual');
      const record = await first.ended(id);
      const text = (await first.request(`/runs/${id}/logs`)).text;
      await closePin(first);
      const second = await openPin(folder);
      expect((await second.request('/runs')).json['runs']).to.deep.equal([record]);
      expect(await second.record(id)).to.deep.equal(record);
      expect((await second.request(`/runs/${id}/logs`)).text).to.equal(text);
      expect((await second.request('/health')).json).to.include({
        last_run: id,
        last_pipeline: record.started_at,
        total_pipelines_executed: 0,
      });
      await closePin(second);
    }));

  it('a run is cancelled when the gateway stops, and its record says so after the restart', () =>
    withTempFolder(async (folder) => {
      const first = await openPin(folder);
      const [running, waiting] = [await first.trigger('waits'), await first.trigger('usual')];
      await waitUntil('one job runs', async () => (await first.record(running)).jobs[0]?.status === 'running');
      await closePin(first);
      const second = await openPin(folder);
      expect(await second.record(running)).to.include({ status: 'cancelled' });
      expect(await second.record(waiting)).to.include({ status: 'cancelled' });
      await closePin(second);
    }));
});

describe('a run that a crash of the gateway interrupted', () => {
  it('pin defect 20: an interrupted run becomes failed, with an event', () =>
    withTempFolder(async (folder) => {
      await createCrashedGateway(folder);
      const fixture = await openPin(folder);
      const lost = await fixture.record('running');
      expect(lost).to.deep.include({
        id: 'running',
        status: 'failed',
        error: 'daemon restarted',
        source: 'github_webhook',
      });
      expect(lost.completed_at).to.be.a('string');
      expect(lost.jobs.map(({ name, status }) => [name, status])).to.deep.equal([
        ['a', 'success'],
        ['b', 'failed'],
        ['c', 'skipped'],
      ]);
      expect(await fixture.record('queued')).to.deep.include({ status: 'failed', error: 'daemon restarted', jobs: [] });
      expect(await fixture.record('over')).to.deep.include({ status: 'success' });
      const reader = await fixture.listen('/events', { 'Last-Event-ID': '0' });
      await reader.event('daemon_start');
      expect(
        reader.events
          .filter(({ run_id }) => run_id !== undefined)
          .map(({ type, run_id, error, source }) => ({ type, run_id, error, source })),
      ).to.deep.equal([
        { type: 'pipeline_error', run_id: 'running', error: 'daemon restarted', source: 'github_webhook' },
        { type: 'pipeline_error', run_id: 'queued', error: 'daemon restarted', source: 'github_webhook' },
        { type: 'pipeline_complete', run_id: 'over', error: undefined, source: 'github_webhook' },
      ]);
      const own = await fixture.listen('/runs/running/events');
      await own.end();
      expect(own.events.map(({ type }) => type)).to.deep.equal(['connection', 'pipeline_error']);
      await closePin(fixture);
    }));

  it('an interrupted run that was not stored does not exist after the restart', () =>
    withTempFolder(async (folder) => {
      await createCrashedGateway(folder);
      const fixture = await openPin(folder);
      expect((await fixture.request('/runs/never')).status).to.equal(404);
      expect(((await fixture.request('/runs')).json['runs'] as PinRecord[]).map(({ id }) => id)).to.have.members([
        'running',
        'queued',
        'over',
      ]);
      await closePin(fixture);
    }));

  it('an ended run gets its end event after a crash that lost the event', () =>
    withTempFolder(async (folder) => {
      const first = await openPin(folder);
      const id = await first.trigger('fails');
      const record = await first.ended(id);
      await closePin(first);
      await rm(join(folder, 'pin', 'events'), { recursive: true });
      const second = await openPin(folder);
      expect(await second.record(id)).to.deep.equal(record);
      const reader = await second.listen(`/runs/${id}/events`);
      await reader.end();
      expect(reader.events.map(({ type, error }) => [type, error])).to.deep.equal([
        ['connection', undefined],
        ['pipeline_error', 'pipeline execution failed: command execution failed (exit code 1)'],
      ]);
      await closePin(second);
    }));

  it('an interrupted upload is removed', () =>
    withTempFolder(async (folder) => {
      await mkdir(join(folder, 'pin', 'uploads'), { recursive: true });
      await writeFile(join(folder, 'pin', 'uploads', 'half'), 'x');
      const fixture = await openPin(folder);
      expect(await readdir(join(folder, 'pin', 'uploads'))).to.deep.equal([]);
      await closePin(fixture);
    }));
});

/**
 * Creates the files of a killed gateway: an active run, a queued run, an ended run without an end event, and a run that
 * was not stored.
 */
async function createCrashedGateway(folder: string): Promise<void> {
  const spec: RunSpec = {
    kind: 'pipeline',
    params: {},
    caller: { user: 'pin', token: true, scopes: [] },
    stop: { signal: 'SIGTERM', graceMs: 0 },
    onDisconnect: { type: 'detach' },
    mayDetach: true,
    stallAfterMs: 0,
    lineBytesMax: 1 << 20,
    outputBytesMax: 0,
  };
  const store = openStore(folder);
  const common = { call: 'pin', params: [], caller: 'pin', node: 'n', queuedAt: time, lines: 0, bytes: 0 };
  store.insert({ ...common, id: 'running', state: 'running', startedAt: time }, spec);
  store.insert({ ...common, id: 'queued', state: 'queued' }, spec);
  store.insert({ ...common, id: 'over', state: 'ended', outcome: 'succeeded', startedAt: time, endedAt: time }, spec);
  store.close();
  await mkdir(join(folder, 'runs'));
  const log = RunLog.create(join(folder, 'runs', 'running'), {
    format: 'lines',
    limits: defaultLimits,
    onFailure: throwError,
  });
  log.emit('pipeline-planned', {
    time,
    logsWithTime: false,
    jobs: ['a', 'b', 'c'].map((id, stage) => ({ id, name: id, after: [], stage })),
  });
  log.emit('job-started', { time, job: 'a', attempt: 1, attempts: 1 });
  log.write('stdout', Buffer.from('printed\n'));
  log.emit('job-ended', { time, job: 'a', status: 'succeeded', attempts: 1, attemptsMax: 1, durationMs: 1 });
  log.emit('job-started', { time, job: 'b', attempt: 1, attempts: 1 });
  await log.close();
  const runIndex = new RunIndex(join(folder, 'pin', 'runs'), { runsMax: 500 });
  for (const [from, id] of ['running', 'queued', 'over', 'never'].entries())
    runIndex.save({ id, origin: { source: 'github_webhook' }, from });
}

describe('the run index of the pin API', () => {
  const origin = { source: 'http_endpoint' } as const;

  it('the run index keeps the newest runs and all active runs', () =>
    withTempFolder(async (folder) => {
      const runIndex = new RunIndex(join(folder, 'runs'), { runsMax: 3 });
      runIndex.save({ id: 'first', origin, from: 0 });
      for (let from = 1; from <= 6; from++) runIndex.save({ id: `r${from}`, origin, from, to: from + 1 });
      expect(runIndex.list().map(({ id }) => id)).to.deep.equal(['r6', 'r5', 'first']);
      expect(await readdir(join(folder, 'runs'))).to.have.members(['r6.json', 'r5.json', 'first.json']);
    }));

  it('the run index repeats nothing from the run store', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      const id = await fixture.trigger('fails');
      await fixture.ended(id);
      await closePin(fixture);
      const text = await readFile(join(folder, 'pin', 'runs', `${id}.json`), 'utf8');
      expect(Object.keys(JSON.parse(text) as object).sort()).to.deep.equal(['from', 'id', 'origin', 'to']);
    }));

  it('the run index ignores files that it cannot read', () =>
    withTempFolder(async (folder) => {
      await mkdir(join(folder, 'runs'));
      for (const [name, text] of [
        ['a.json', '{'],
        ['b.json', 'null'],
        ['c.json', '{"id":1}'],
        ['d.json.new', '{}'],
      ] as const)
        await writeFile(join(folder, 'runs', name), text);
      const runIndex = new RunIndex(join(folder, 'runs'), { runsMax: 3 });
      expect(runIndex.list()).to.deep.equal([]);
    }));
});

describe('the ids of events', () => {
  it('the ids of events are unique even if a crash resets the event numbers', () =>
    withTempFolder(async (folder) => {
      const file = join(folder, 'starts.json');
      const first = EventIds.start(file, 0);
      expect([0, 1, 2, 500].map((number) => first.toId(number))).to.deep.equal([0, 1, 2, 500]);
      // 500 events were sent; 480 of them are on disk.
      const second = EventIds.start(file, 480);
      expect([1, 480, 481].map((number) => second.toId(number))).to.deep.equal([1, 480, 1_000_481]);
      expect(second.toNumber(490, 600)).to.equal(480);
      expect(second.toNumber(1_000_481, 600)).to.equal(481);
      expect(second.toNumber(9_000_000, 600)).to.equal(600);
      expect(second.toNumber(0, 600)).to.equal(0);
      const third = EventIds.start(file, 600);
      for (const number of [1, 479, 480, 481, 599, 600, 601, 700])
        expect(third.toNumber(third.toId(number), 700), String(number)).to.equal(number);
      const ids = Array.from({ length: 700 }, (_, at) => third.toId(at + 1));
      expect(ids).to.deep.equal([...new Set(ids)].sort((a, b) => a - b));
    }));

  it('the ids of events start again without a shift if their file cannot be read', () =>
    withTempFolder(async (folder) => {
      const file = join(folder, 'starts.json');
      for (const text of ['', '{}', '[1,null,{"line":"x"}]']) {
        await writeFile(file, text);
        const ids = EventIds.start(file, 7);
        expect([7, 8].map((number) => ids.toNumber(ids.toId(number), 10))).to.deep.equal([7, 8]);
      }
    }));
});

describe('the initial pipeline', () => {
  it('the initial pipeline runs when the pin API opens, and its events contain the file name', () =>
    withTempFolder(async (folder) => {
      const file = join(folder, 'start.yaml');
      await writeFile(file, scriptedPipeline('usual'));
      const fixture = await openPin(folder, { options: { initial: file } });
      const reader = await fixture.listen('/events', { 'Last-Event-ID': '0' });
      const complete = await reader.event('pipeline_complete');
      expect(complete)
        .to.include({ message: 'Initial pipeline execution completed successfully', file: 'start.yaml' })
        .and.not.have.property('source');
      expect(await fixture.record(complete.run_id!)).to.include({ status: 'success', source: 'initial_file' });
      expect(reader.text).not.to.contain(folder);
      await closePin(fixture);
    }));

  for (const [what, text] of [
    ['fails', scriptedPipeline('fails')],
    ['is invalid', '# error: {}\n'],
    ['does not exist', undefined],
  ] as const) {
    it(`an initial pipeline that ${what} is reported as an event`, () =>
      withTempFolder(async (folder) => {
        const file = join(folder, 'start.yaml');
        if (text !== undefined) await writeFile(file, text);
        const fixture = await openPin(folder, { options: { initial: file } });
        const reader = await fixture.listen('/events', { 'Last-Event-ID': '0' });
        expect(await reader.event('pipeline_error')).to.include({
          message: 'Initial pipeline execution failed',
          file: 'start.yaml',
        });
        await closePin(fixture);
      }));
  }
});
