// The runs of the pin door: what is told of them while they go on, how they are stopped, what is remembered, and what a restart makes of them.

import { expect } from 'chai';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../../../server/runs/facts.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import { EventIds } from '../../../server/doors/pin/events/ids.ts';
import { Ledger } from '../../../server/doors/pin/runs/ledger.ts';
import type { PinRecord } from '../../../server/doors/pin/runs/record.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import { openStore } from '../../../server/runs/store.ts';
import { until } from '../../helpers/until.ts';
import { failIfBroken, inFolder } from '../../runs/kit.ts';
import { closePin, openPin, played, withPin } from './stage.ts';

const time = '2026-01-01T00:00:00.000Z';

describe('a run of the pin door', () => {
  it('pin defect 20: while it goes on has no end, no error and no path', () => withPin(async ({ trigger, record, listen, ask, folder, over }) => {
    const reader = await listen();
    const id = await trigger('waits');
    await until('it runs', async () => (await record(id)).jobs[0]?.status === 'running');
    const running = await record(id);
    expect(running).to.have.all.keys('id', 'status', 'source', 'queued_at', 'started_at', 'jobs');
    expect(running).to.include({ id, status: 'running', source: 'http_endpoint' });
    expect(running.jobs).to.have.length(1);
    expect(running.jobs[0]).to.have.all.keys('name', 'status', 'attempts', 'started_at');
    expect(JSON.stringify([running, reader.events])).not.to.contain(folder);
    await ask(`/runs/${id}/cancel`, { method: 'POST' });
    await over(id);
    reader.cut();
  }));

  it('pin defect 25: is stopped when that is asked for, as often as it is asked', () => withPin(async ({ trigger, record, listen, ask, over }) => {
    const reader = await listen();
    const id = await trigger('waits');
    await until('it runs', async () => (await record(id)).jobs[0]?.status === 'running');
    const answers = await Promise.all([1, 2, 3].map(() => ask(`/runs/${id}/cancel`, { method: 'POST' })));
    for (const { status, json } of answers) expect([status, json]).to.deep.equal([202, { status: 'cancelling', run_id: id }]);
    const record_ = await over(id);
    expect(record_).to.include({ status: 'cancelled', error: 'pipeline execution cancelled' });
    expect(record_.jobs[0]).to.include({ status: 'cancelled' });
    expect(await reader.event('pipeline_cancelled')).to.include({ level: 'warning', source: 'http_endpoint', message: 'Pipeline execution cancelled', run_id: id });
    const { status, json } = await ask(`/runs/${id}/cancel`, { method: 'POST' });
    expect([status, json['error']]).to.deep.equal([409, 'run_finished']);
    reader.cut();
  }));

  it('that waits is stopped without ever having begun', () => withPin(async ({ trigger, ask, over, listen }) => {
    const first = await trigger('waits');
    const reader = await listen();
    const id = await trigger('usual');
    await ask(`/runs/${id}/cancel`, { method: 'POST' });
    expect(await over(id)).to.deep.include({ status: 'cancelled', jobs: [] });
    await reader.event('pipeline_cancelled');
    expect(reader.events.some(({ type, run_id }) => type === 'pipeline_started' && run_id === id)).to.equal(false);
    await ask(`/runs/${first}/cancel`, { method: 'POST' });
    reader.cut();
  }));

  it('pin defect 1, as far as the door goes: fails with the first job that failed, and names those that were skipped', () => withPin(async ({ trigger, over, listen }) => {
    const reader = await listen();
    const record = await over(await trigger('fails'));
    expect(record.status).to.equal('failed');
    expect(record.error).to.contain("job 'build' failed: command execution failed (exit code 1)");
    expect(record.jobs.map(({ name, status, exit_code }) => [name, status, exit_code])).to.deep.equal([['build', 'failed', 1], ['after', 'skipped', undefined]]);
    expect(await reader.event('pipeline_error')).to.include({ error: 'pipeline execution failed: command execution failed (exit code 1)' });
    expect(await reader.event('job_failed')).to.include({ job: 'build', exit_code: 1, duration: '45s' });
    expect(await reader.event('job_skipped')).to.include({ job: 'after', reason: 'upstream_failed' });
    reader.cut();
  }));

  it('is remembered when the door is opened again', () => inFolder(async (folder) => {
    const first = await openPin(folder);
    const id = await first.trigger('usual');
    const record = await first.over(id);
    const text = (await first.ask(`/runs/${id}/logs`)).text;
    await closePin(first);
    const second = await openPin(folder);
    expect((await second.ask('/runs')).json['runs']).to.deep.equal([record]);
    expect(await second.record(id)).to.deep.equal(record);
    expect((await second.ask(`/runs/${id}/logs`)).text).to.equal(text);
    expect((await second.ask('/health')).json).to.include({ last_pipeline: id, total_pipelines_executed: 0 });
    await closePin(second);
  }));

  it('is cancelled when the gateway stops, and that is remembered', () => inFolder(async (folder) => {
    const first = await openPin(folder);
    const [running, waiting] = [await first.trigger('waits'), await first.trigger('usual')];
    await until('one runs', async () => (await first.record(running)).jobs[0]?.status === 'running');
    await closePin(first);
    const second = await openPin(folder);
    expect(await second.record(running)).to.include({ status: 'cancelled' });
    expect(await second.record(waiting)).to.include({ status: 'cancelled' });
    await closePin(second);
  }));
});

describe('a run that was lost with its gateway', () => {
  it('pin defect 20: has failed, and that is told', () => inFolder(async (folder) => {
    await leaveBehind(folder);
    const stage = await openPin(folder);
    const lost = await stage.record('running');
    expect(lost).to.deep.include({ id: 'running', status: 'failed', error: 'daemon restarted', source: 'github_webhook' });
    expect(lost.completed_at).to.be.a('string');
    expect(lost.jobs.map(({ name, status }) => [name, status])).to.deep.equal([['a', 'success'], ['b', 'failed'], ['c', 'skipped']]);
    expect(await stage.record('queued')).to.deep.include({ status: 'failed', error: 'daemon restarted', jobs: [] });
    expect(await stage.record('over')).to.deep.include({ status: 'success' });
    const reader = await stage.listen('/events', { 'Last-Event-ID': '0' });
    await reader.event('daemon_start');
    expect(reader.events.filter(({ run_id }) => run_id !== undefined).map(({ type, run_id, error, source }) => ({ type, run_id, error, source }))).to.deep.equal([
      { type: 'pipeline_error', run_id: 'running', error: 'daemon restarted', source: 'github_webhook' },
      { type: 'pipeline_error', run_id: 'queued', error: 'daemon restarted', source: 'github_webhook' },
      { type: 'pipeline_complete', run_id: 'over', error: undefined, source: 'github_webhook' },
    ]);
    const own = await stage.listen('/runs/running/events');
    await own.end();
    expect(own.events.map(({ type }) => type)).to.deep.equal(['connection', 'pipeline_error']);
    await closePin(stage);
  }));

  it('and had not been stored is not there at all', () => inFolder(async (folder) => {
    await leaveBehind(folder);
    const stage = await openPin(folder);
    expect((await stage.ask('/runs/never')).status).to.equal(404);
    expect(((await stage.ask('/runs')).json['runs'] as PinRecord[]).map(({ id }) => id)).to.have.members(['running', 'queued', 'over']);
    await closePin(stage);
  }));

  it('that was over has its end told, if that had not come to the disk', () => inFolder(async (folder) => {
    const first = await openPin(folder);
    const id = await first.trigger('fails');
    const record = await first.over(id);
    await closePin(first);
    await rm(join(folder, 'pin', 'events'), { recursive: true });
    const second = await openPin(folder);
    expect(await second.record(id)).to.deep.equal(record);
    const reader = await second.listen(`/runs/${id}/events`);
    await reader.end();
    expect(reader.events.map(({ type, error }) => [type, error])).to.deep.equal([['connection', undefined], ['pipeline_error', 'pipeline execution failed: command execution failed (exit code 1)']]);
    await closePin(second);
  }));

  it('leaves no upload behind', () => inFolder(async (folder) => {
    await mkdir(join(folder, 'pin', 'uploads'), { recursive: true });
    await writeFile(join(folder, 'pin', 'uploads', 'half'), 'x');
    const stage = await openPin(folder);
    expect(await readdir(join(folder, 'pin', 'uploads'))).to.deep.equal([]);
    await closePin(stage);
  }));
});

/** What a gateway leaves that is killed: a run that goes on, one that waits, one whose end was stored here and not there, and one that was not stored. */
async function leaveBehind(folder: string): Promise<void> {
  const facts: RunFacts = {
    kind: 'pipeline', params: {}, caller: { user: 'pin', token: true, scopes: [] }, stop: { signal: 'SIGTERM', graceMs: 0 }, onDisconnect: { type: 'detach' },
    mayDetach: true, stallAfterMs: 0, lineBytesMax: 1 << 20, outputBytesMax: 0,
  };
  const store = openStore(folder);
  const common = { call: 'pin', params: [], caller: 'pin', node: 'n', queuedAt: time, lines: 0, bytes: 0 };
  store.insert({ ...common, id: 'running', state: 'running', startedAt: time }, facts);
  store.insert({ ...common, id: 'queued', state: 'queued' }, facts);
  store.insert({ ...common, id: 'over', state: 'ended', outcome: 'succeeded', startedAt: time, endedAt: time }, facts);
  store.close();
  await mkdir(join(folder, 'runs'));
  const log = RunLog.create(join(folder, 'runs', 'running'), { shape: 'lines', limits: defaultLimits, onFailure: failIfBroken });
  log.emit('pipeline-planned', { time, logsWithTime: false, jobs: ['a', 'b', 'c'].map((id, stage) => ({ id, name: id, after: [], stage })) });
  log.emit('job-started', { time, job: 'a', attempt: 1, attempts: 1 });
  log.write('stdout', Buffer.from('printed\n'));
  log.emit('job-ended', { time, job: 'a', status: 'succeeded', attempts: 1, attemptsMax: 1, durationMs: 1 });
  log.emit('job-started', { time, job: 'b', attempt: 1, attempts: 1 });
  await log.close();
  const ledger = new Ledger(join(folder, 'pin', 'runs'), { runsMax: 500 });
  for (const [from, id] of ['running', 'queued', 'over', 'never'].entries()) {
    ledger.keep({ record: { id, status: 'queued', source: 'github_webhook', queued_at: `2026-01-01T00:00:0${from}.000Z`, started_at: time, jobs: [] }, origin: { source: 'github_webhook' }, from: 0 });
  }
}

describe('the ledger of the pin door', () => {
  const record = (id: string, over: boolean): PinRecord => ({ id, status: over ? 'success' : 'running', source: 'http_endpoint', queued_at: time, started_at: time, ...(over && { completed_at: time }), jobs: [] });

  it('keeps the newest runs, and those that go on', () => inFolder(async (folder) => {
    const ledger = new Ledger(join(folder, 'runs'), { runsMax: 3 });
    ledger.keep({ record: record('first', false), origin: { source: 'http_endpoint' }, from: 0 });
    for (let from = 1; from <= 6; from++) ledger.keep({ record: record(`r${from}`, true), origin: { source: 'http_endpoint' }, from });
    expect(ledger.list().map(({ record: { id } }) => id)).to.deep.equal(['r6', 'r5', 'first']);
    expect(await readdir(join(folder, 'runs'))).to.have.members(['r6.json', 'r5.json', 'first.json']);
  }));

  it('passes over what it cannot read', () => inFolder(async (folder) => {
    await mkdir(join(folder, 'runs'));
    for (const [name, text] of [['a.json', '{'], ['b.json', 'null'], ['c.json', '{"record":{}}'], ['d.json.new', '{}']] as const) await writeFile(join(folder, 'runs', name), text);
    const ledger = new Ledger(join(folder, 'runs'), { runsMax: 3 });
    expect(ledger.list()).to.deep.equal([]);
  }));
});

describe('ids of events', () => {
  it('are never given twice, though a crash takes numbers back', () => inFolder(async (folder) => {
    const file = join(folder, 'starts.json');
    const first = EventIds.begin(file, 0);
    expect([0, 1, 2, 500].map((number) => first.idOf(number))).to.deep.equal([0, 1, 2, 500]);
    // 500 were told, of which the disk has 480.
    const second = EventIds.begin(file, 480);
    expect([1, 480, 481].map((number) => second.idOf(number))).to.deep.equal([1, 480, 1_000_481]);
    expect(second.numberOf(490, 600)).to.equal(480);
    expect(second.numberOf(1_000_481, 600)).to.equal(481);
    expect(second.numberOf(9_000_000, 600)).to.equal(600);
    expect(second.numberOf(0, 600)).to.equal(0);
    const third = EventIds.begin(file, 600);
    for (const number of [1, 479, 480, 481, 599, 600, 601, 700]) expect(third.numberOf(third.idOf(number), 700), String(number)).to.equal(number);
    const ids = Array.from({ length: 700 }, (_, at) => third.idOf(at + 1));
    expect(ids).to.deep.equal([...new Set(ids)].sort((a, b) => a - b));
  }));

  it('begin anew when their file cannot be read', () => inFolder(async (folder) => {
    const file = join(folder, 'starts.json');
    for (const text of ['', '{}', '[1,null,{"line":"x"}]']) {
      await writeFile(file, text);
      const ids = EventIds.begin(file, 7);
      expect([7, 8].map((number) => ids.numberOf(ids.idOf(number), 10))).to.deep.equal([7, 8]);
    }
  }));
});

describe('the initial pipeline', () => {
  it('is run when the door opens, and is told by the name of its file', () => inFolder(async (folder) => {
    const file = join(folder, 'start.yaml');
    await writeFile(file, played('usual'));
    const stage = await openPin(folder, { options: { initial: file } });
    const reader = await stage.listen('/events', { 'Last-Event-ID': '0' });
    const told = await reader.event('pipeline_complete');
    expect(told).to.include({ message: 'Initial pipeline execution completed successfully', file: 'start.yaml' }).and.not.have.property('source');
    expect(await stage.record(told.run_id!)).to.include({ status: 'success', source: 'initial_file' });
    expect(reader.text).not.to.contain(folder);
    await closePin(stage);
  }));

  for (const [what, text] of [['fails', played('fails')], ['is wrong', '# error: {}\n'], ['is not there', undefined]] as const) {
    it(`that ${what} is told of`, () => inFolder(async (folder) => {
      const file = join(folder, 'start.yaml');
      if (text !== undefined) await writeFile(file, text);
      const stage = await openPin(folder, { options: { initial: file } });
      const reader = await stage.listen('/events', { 'Last-Event-ID': '0' });
      expect(await reader.event('pipeline_error')).to.include({ message: 'Initial pipeline execution failed', file: 'start.yaml' });
      await closePin(stage);
    }));
  }
});
