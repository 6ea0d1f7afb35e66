// Runs the gateway against test/vectors/pipelines: diagnostics, plan, and execution on a real engine.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { parse } from 'yaml';
import { planText } from '../../server/pipeline/engine.ts';
import { pipelineSchema } from '../../server/pipeline/language/schema.ts';
import { openPipelineGateways, type PipelineGateways } from '../helpers/contract/pipeline-gateways.ts';
import {
  type ExpectedLines,
  type ExpectedRun,
  permissionsFor,
  readPipelineVectors,
  type Vector,
} from '../helpers/contract/pipeline-vectors.ts';
import type { TestGateway } from '../helpers/gateway/test-gateway.ts';
import { leftoverContainers, leftoverNetworksAndVolumes } from '../helpers/leftovers.ts';
import { type Event, findEventMismatches, matchesEvent } from '../helpers/pipeline/expected-events.ts';
import { readFileTree } from '../helpers/pipeline/file-tree.ts';
import { matchesPattern } from '../helpers/pipeline/match-pattern.ts';
import { linesByJob, type PipelineRunResult } from '../helpers/pipeline/run-pipeline.ts';
import { allKeys, findUsedKeys } from '../helpers/pipeline/used-keys.ts';

const vectors = readPipelineVectors();
/** Number of vectors that start before their test, to shorten the total time. */
const parallelVectors = 6;
/** Defects of pin that no pipeline file can show, and the test of each. */
const testedElsewhere: Readonly<Record<number, string>> = {
  7: 'compat/pin/trigger.test.ts',
  10: 'e2e/pin-browser.test.ts',
  11: 'compat/pin/stop.test.ts',
  20: 'compat/pin/runs.test.ts',
  27: 'archive/pack-gigabyte.test.ts',
  28: 'compat/pin/events.test.ts',
  29: 'compat/pin/routes.test.ts',
};

describe('the pipeline vectors', function () {
  this.timeout(120_000);
  let peers: PipelineGateways;
  const runs = new Map<Vector, Promise<VectorRun>>();
  const startVector = (vector: Vector): Promise<VectorRun> => {
    const run = runs.get(vector) ?? runVector(vector, peers);
    run.catch(() => {});
    runs.set(vector, run);
    return run;
  };
  before(async () => {
    peers = await openPipelineGateways();
  });
  after(async () => {
    await Promise.allSettled(runs.values());
    await peers.close();
  });

  for (const [at, vector] of vectors.entries()) {
    const {
      name,
      expect: { about, defects = [] },
    } = vector;
    it(`${defects.length === 0 ? '' : `pin defect ${defects.join(', ')}: `}${name}: ${about}`, async () => {
      for (const next of vectors.slice(at, at + parallelVectors)) void startVector(next);
      expectPlan(vector);
      await expectRun(vector, await startVector(vector));
    });
  }

  it('valid pipeline vectors match the editor schema', () => {
    const fitsSchema = new Ajv({ strict: false }).compile(pipelineSchema);
    for (const {
      name,
      text,
      expect: { diagnostics, plan },
    } of vectors) {
      if (plan === undefined) continue;
      const ignoredJobs = diagnostics.filter(({ field }) => field === undefined).map(({ job }) => job);
      const values = Object.fromEntries(
        Object.entries(parse(text, { merge: true }) as object).filter(([key]) => !ignoredJobs.includes(key)),
      );
      expect(fitsSchema(values), `${name}: ${JSON.stringify(fitsSchema.errors)}`).to.equal(true);
    }
  });

  it('every key has a pipeline vector', () => {
    const files = vectors.filter(({ expect: { diagnostics } }) =>
      diagnostics.every(({ code }) => code !== 'INVALID_CONFIG'),
    );
    const used = findUsedKeys(files.map(({ text }) => parse(text, { merge: true }) as unknown));
    expect(allKeys().filter((key) => !used.has(key))).to.deep.equal([]);
  });

  it('every defect of pin has a pipeline vector, or a test if no pipeline file can show it', () => {
    const testedDefects = new Set([
      ...vectors.flatMap(({ expect: { defects = [] } }) => defects),
      ...Object.keys(testedElsewhere).map(Number),
    ]);
    expect([...testedDefects].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 30 }, (_, at) => at + 1));
    for (const [number, file] of Object.entries(testedElsewhere)) {
      expect(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'), file).to.match(
        new RegExp(`pin defect ${number}\\b`),
      );
    }
  });
});

/** Checks the diagnostics and the plan. Runs nothing. */
function expectPlan({ text, expect: expectation }: Vector): void {
  const { diagnostics: expected, plan } = expectation;
  const { plan: planned, diagnostics } = planText(text, permissionsFor(expectation));
  expect(diagnostics.map(({ length, suggestions, ...diagnostic }) => diagnostic)).to.deep.equal(
    expected.map(({ suggestion, ...diagnostic }) => diagnostic),
  );
  for (const [at, { suggestion }] of expected.entries())
    if (suggestion !== undefined) expect(diagnostics[at]?.suggestions.join('; ')).to.contain(suggestion);
  const after =
    planned && Object.fromEntries(planned.jobs.filter((job) => job.after.length > 0).map((job) => [job.id, job.after]));
  expect(planned && { stages: planned.stages, after }).to.deep.equal(plan);
}

interface VectorRun {
  readonly gateway: TestGateway;
  readonly pipelineRun: PipelineRunResult;
}

async function runVector({ name, text, expect: { given = {} } }: Vector, peers: PipelineGateways): Promise<VectorRun> {
  return peers.runPipeline({ name, text, given });
}

/** Checks that the pipeline did not start and that its caller received every diagnostic. */
function expectRejection(
  { name, expect: { diagnostics } }: Vector,
  { result, events, lines }: PipelineRunResult,
): void {
  expect({ events, lines, status: result['status'] }).to.deep.equal({ events: [], lines: [], status: 'rejected' });
  const report = String(result['message']);
  for (const { severity, line, column, message } of diagnostics) {
    if (severity === 'error') expect(report).to.contain(`${name}.yaml:${line}:${column}: `).and.contain(message);
  }
}

async function expectRun(vector: Vector, { gateway, pipelineRun }: VectorRun): Promise<void> {
  const { run } = vector.expect;
  if (run === undefined) return expectRejection(vector, pipelineRun);
  const { events, lines, result } = pipelineRun;
  const {
    status,
    exitCode = null,
    message = null,
  } = result as { status?: string; exitCode?: number; message?: string };
  expect(status, JSON.stringify(result)).to.equal(run.outcome);
  if (run.outcome !== 'succeeded') expect(exitCode, 'exit code').to.equal(run.exitCode);
  if (run.message !== undefined)
    expect(
      matchesPattern(message, run.message),
      `the message ${JSON.stringify(message)} is ${JSON.stringify(run.message)}`,
    ).to.equal(true);
  const begun = eventsAfterPlan(events, vector.expect, run);
  expect(findEventMismatches(begun, run.events)).to.deep.equal([]);
  for (const never of run.never ?? []) expect(events.filter((event) => matchesEvent(event, never))).to.deep.equal([]);
  for (const { from, to, ms } of run.within ?? [])
    expect(
      eventTime(events.findLast((event) => matchesEvent(event, to))) -
        eventTime(events.find((event) => matchesEvent(event, from))),
    ).to.be.below(ms);
  for (const { time } of events) expect(time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expectLines(linesByJob(lines), run.lines);
  expectSummary(pipelineRun, run);
  expect(await readFileTree(join(gateway.runsFolder, pipelineRun.run, 'artifacts'))).to.deep.equal(run.artifacts ?? {});
  expect(result['cleanup']).to.deep.include({ clean: true, left: [] });
  expect([
    ...(await leftoverContainers(pipelineRun.run)),
    ...(await leftoverNetworksAndVolumes(pipelineRun.run)),
  ]).to.deep.equal([]);
}

function eventTime(event: Event | undefined): number {
  return Date.parse(String(event?.['time']));
}

/** Checks the events of the plan and the warnings. Returns the events after them. */
function eventsAfterPlan(
  events: readonly Event[],
  { plan, diagnostics }: Vector['expect'],
  run: ExpectedRun,
): readonly Event[] {
  const [planned, ...rest] = events;
  if (planned === undefined) return [];
  const jobs = plan!.stages.flatMap((ids, stage) => ids.map((id) => ({ id, after: plan!.after[id] ?? [], stage })));
  const plannedJobs = (planned['jobs'] as readonly Event[]).map(({ name, ...job }) => job);
  expect({ ...planned, jobs: plannedJobs }).to.deep.include({
    type: 'pipeline-planned',
    logsWithTime: run.logsWithTime ?? false,
    jobs,
  });
  const warnings = diagnostics.map(({ message, line, column }) => ({
    type: 'pipeline-warning',
    message,
    line,
    column,
  }));
  expect(
    rest.slice(0, warnings.length).map(({ type, message, line, column }) => ({ type, message, line, column })),
  ).to.deep.equal(warnings);
  return rest.slice(warnings.length);
}

function expectLines(lines: ReturnType<typeof linesByJob>, expected: ExpectedRun['lines']): void {
  for (const job of new Set([...Object.keys(lines), ...Object.keys(expected)])) {
    const wanted = expected[job] ?? [];
    const { stdout, stderr } = 'stdout' in wanted ? wanted : { stdout: wanted, stderr: [] };
    expectStream(lines[job]?.stdout ?? [], stdout, `stdout of ${job}`);
    expectStream(lines[job]?.stderr ?? [], stderr, `stderr of ${job}`);
  }
}

function expectStream(lines: readonly string[], expected: ExpectedLines, what: string): void {
  if ('any' in expected) return;
  if ('ends' in expected) expect(lines.slice(-expected.ends.length), what).to.deep.equal(expected.ends);
  else expect(lines, what).to.deep.equal(expected);
}

/** Checks that the value of the result agrees with the events. */
function expectSummary({ events, result }: PipelineRunResult, run: ExpectedRun): void {
  const endEvents = events.filter(({ type }) => type === 'job-ended' || type === 'job-skipped');
  const value = result['value'] as { jobs: readonly Event[]; outputs: object } | undefined;
  if (endEvents.length === 0 || run.outcome === 'cancelled') return;
  const endedJobs = Object.fromEntries(
    endEvents.map(({ job, type, status, reason }) => [
      String(job),
      type === 'job-skipped' ? { status: 'skipped', reason } : { status },
    ]),
  );
  expect(
    Object.fromEntries(
      value!.jobs.map(({ id, status, reason }) => [String(id), reason === undefined ? { status } : { status, reason }]),
    ),
  ).to.deep.equal(endedJobs);
  expect(value!.outputs).to.deep.equal(run.outputs ?? {});
}
