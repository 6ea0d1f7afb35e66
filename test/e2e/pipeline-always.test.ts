// Stops pipelines that have a job with `when: always`. That job still runs, in extra time that a second cancel ends.

import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { leftoverProcesses } from '../helpers/leftovers.ts';
import { linesByJob, runPipeline } from '../helpers/pipeline/run-pipeline.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const tidied = `
workflow: [work, next, tidy]
work: { host: true, script: [echo working, sleep 60] }
next: { host: true, script: echo never }
tidy: { host: true, when: always, script: [echo tidying, sleep 0.1, echo tidied] }
`;
const stubborn = `
workflow: [work, tidy, more]
work: { host: true, script: [echo working, sleep 60] }
tidy: { host: true, when: always, script: [echo tidying, sleep 61] }
more: { host: true, when: always, script: echo never }
`;

describe('a stopped pipeline with a job that runs in any case', function () {
  this.timeout(60_000);
  let gateway: TestGateway;

  const start = (limits: string): Promise<TestGateway> =>
    startTestGateway(
      `
limits: { ${limits} }
pipelines: { hostJobs: true }
calls:
  tidied: { pipeline: { file: tidied.yaml, workspace: . } }
  late: { pipeline: { file: tidied.yaml, workspace: . }, timeout: 3s }
  stubborn: { pipeline: { file: stubborn.yaml, workspace: . }, stop: { grace: 100ms } }
`,
      { 'tidied.yaml': tidied, 'stubborn.yaml': stubborn },
    );

  before(async () => {
    gateway = await start('alwaysJobsMs: 50s');
  });
  after(() => gateway.stop());

  async function statuses(at: TestGateway, run: string): Promise<Readonly<Record<string, string>>> {
    const { events } = (await (
      await fetch(`${at.url}/api/v1/http/runs/${run}/events`, { headers: { accept: 'text/event-stream' } })
    )
      .text()
      .then((text) => ({
        events: text
          .split('\n')
          .filter((line) => line.startsWith('data: {'))
          .map((line) => JSON.parse(line.slice(6)) as Record<string, string>),
      }))) as { events: readonly Record<string, string>[] };
    return Object.fromEntries(
      events
        .filter(({ type }) => type === 'job-ended' || type === 'job-skipped')
        .map(({ job, status, reason }) => [job, status ?? `skipped: ${reason}`]),
    );
  }

  async function expectEnd(
    at: TestGateway,
    run: string,
    end: { readonly outcome: string; readonly jobs: Readonly<Record<string, string>> },
  ): Promise<void> {
    const record = (await at.getJson(`/api/v1/http/runs/${run}`)) as RunRecord;
    expect(record.outcome).to.equal(end.outcome);
    expect(record.cleanup).to.deep.include({ clean: true, left: [] });
    expect(await statuses(at, run)).to.deep.equal(end.jobs);
    expect(leftoverProcesses(run)).to.deep.equal([]);
  }

  it('L8: the job runs after a cancel, and its lines are stored', async () => {
    const { run, lines } = await runPipeline(gateway, {
      call: 'tidied',
      params: [],
      cancelAt: { job: 'work', line: 'working' },
    });
    expect(linesByJob(lines)).to.deep.equal({
      work: { stdout: ['working'], stderr: [] },
      tidy: { stdout: ['tidying', 'tidied'], stderr: [] },
    });
    await expectEnd(gateway, run, {
      outcome: 'cancelled',
      jobs: { work: 'cancelled', next: 'skipped: cancelled', tidy: 'succeeded' },
    });
  });

  it('L8: the job runs after the run has timed out', async () => {
    const { run, lines } = await runPipeline(gateway, { call: 'late', params: [] });
    expect(linesByJob(lines)['tidy']).to.deep.equal({ stdout: ['tidying', 'tidied'], stderr: [] });
    await expectEnd(gateway, run, {
      outcome: 'timed-out',
      jobs: { work: 'cancelled', next: 'skipped: cancelled', tidy: 'succeeded' },
    });
  });

  it('L8: a second cancel ends the job at once, and skips the other jobs with `when: always`', async () => {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call: 'stubborn' });
    let run = '';
    for (let lines = 0; lines < 2; ) {
      const message = await client.next();
      if ('json' in message && 'run' in message.json) run = (message.json['run'] as { id: string }).id;
      if (!('text' in message)) continue;
      lines += 1;
      client.sendControl({ signal: 'cancel' });
    }
    await client.readToEnd();
    await expectEnd(gateway, run, {
      outcome: 'cancelled',
      jobs: { work: 'cancelled', tidy: 'cancelled', more: 'skipped: cancelled' },
    });
  });

  it('L8: the job is ended alwaysJobsMs after the grace', async () => {
    const brief = await start('alwaysJobsMs: 300ms');
    try {
      const { run } = await runPipeline(brief, {
        call: 'stubborn',
        params: [],
        cancelAt: { job: 'work', line: 'working' },
      });
      await expectEnd(brief, run, {
        outcome: 'cancelled',
        jobs: { work: 'cancelled', tidy: 'cancelled', more: 'skipped: cancelled' },
      });
    } finally {
      await brief.stop();
    }
  });

  it('L8: the job also runs when the gateway stops', async () => {
    const stopping = await start('alwaysJobsMs: 50s');
    const client = await connectWsClient(stopping.wsUrl, ['distillery.v2']);
    client.sendControl({ call: 'tidied' });
    const lines: string[] = [];
    const reading = (async () => {
      for (let message = await client.next(); !('closed' in message); message = await client.next())
        if ('text' in message) lines.push(message.text);
    })();
    await waitUntil('the pipeline works', () => lines.includes('working'));
    await stopping.stop();
    await reading;
    expect(lines).to.deep.equal(['working', 'tidying', 'tidied']);
  });
});
