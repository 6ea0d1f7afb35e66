// The gateway, held against test/vectors/pipelines: what is said of each file, what is planned, and what comes of it on a real engine.

import { Ajv } from 'ajv';
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { planText } from '../../server/pipeline/engine.ts';
import { pipelineSchema } from '../../server/pipeline/language/schema.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { containersLeft, pipelineThingsLeft } from '../helpers/leftovers.ts';
import { fits } from '../helpers/pipelines/fits.ts';
import { allKeys, keysUsed } from '../helpers/pipelines/keys-used.ts';
import { isOne, problemsOfOrder, type Event } from '../helpers/pipelines/order.ts';
import { linesByJob, type Played } from '../helpers/pipelines/play.ts';
import { readTree } from '../helpers/pipelines/tree.ts';
import { openPeers, type Peers } from './pipeline-peers.ts';
import { allowanceFor, readPipelineVectors, type ExpectedLines, type ExpectedRun, type Vector } from './pipeline-vectors.ts';

const vectors = readPipelineVectors();
/** Begun before it is their turn. */
const ahead = 6;
/** Defects that no file can show, and who tests them. */
const elsewhere: Readonly<Record<number, string>> = {
  7: 'doors/pin/trigger.test.ts', 10: 'e2e/pin-browser.test.ts', 11: 'doors/pin/stop.test.ts', 20: 'doors/pin/runs.test.ts', 27: 'support/archive/pack.test.ts',
  28: 'doors/pin/events.test.ts', 29: 'doors/pin/routes.test.ts',
};

describe('the vectors of pipelines', function () {
  this.timeout(120_000);
  let peers: Peers;
  const runs = new Map<Vector, Promise<Came>>();
  const begin = (vector: Vector): Promise<Came> => {
    const run = runs.get(vector) ?? runOf(vector, peers);
    run.catch(() => {});
    runs.set(vector, run);
    return run;
  };
  before(async () => { peers = await openPeers(); });
  after(async () => {
    await Promise.allSettled(runs.values());
    await peers.close();
  });

  for (const [at, vector] of vectors.entries()) {
    const { name, expect: { about, defects = [] } } = vector;
    it(`${defects.length === 0 ? '' : `pin defect ${defects.join(', ')}: `}${name}: ${about}`, async () => {
      for (const next of vectors.slice(at, at + ahead)) void begin(next);
      expectPlan(vector);
      await expectRun(vector, await begin(vector));
    });
  }

  it('fit the schema that editors get, where they are right', () => {
    const fitsSchema = new Ajv({ strict: false }).compile(pipelineSchema);
    for (const { name, text, expect: { diagnostics, plan } } of vectors) {
      if (plan === undefined) continue;
      const passedOver = diagnostics.filter(({ field }) => field === undefined).map(({ job }) => job);
      const held = Object.fromEntries(Object.entries(parse(text) as object).filter(([key]) => !passedOver.includes(key)));
      expect(fitsSchema(held), `${name}: ${JSON.stringify(fitsSchema.errors)}`).to.equal(true);
    }
  });

  it('have one for every key', () => {
    const files = vectors.filter(({ expect: { diagnostics } }) => diagnostics.every(({ code }) => code !== 'INVALID_CONFIG'));
    const used = keysUsed(files.map(({ text }) => parse(text) as unknown));
    expect(allKeys().filter((key) => !used.has(key))).to.deep.equal([]);
  });

  it('have one for every defect of pin that a file can show', () => {
    const shown = new Set([...vectors.flatMap(({ expect: { defects = [] } }) => defects), ...Object.keys(elsewhere).map(Number)]);
    expect([...shown].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 30 }, (_, at) => at + 1));
    for (const [number, file] of Object.entries(elsewhere)) {
      expect(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'), file).to.match(new RegExp(`pin defect ${number}\\b`));
    }
  });
});

/** What is said of the file, and what is to be done, before anything is. */
function expectPlan({ text, expect: expectation }: Vector): void {
  const { diagnostics, plan } = expectation;
  const { plan: planned, complaints } = planText(text, allowanceFor(expectation));
  expect(complaints.map(({ length, suggestions, ...complaint }) => complaint)).to.deep.equal(diagnostics.map(({ suggestion, ...diagnostic }) => diagnostic));
  for (const [at, { suggestion }] of diagnostics.entries()) if (suggestion !== undefined) expect(complaints[at]?.suggestions.join('; ')).to.contain(suggestion);
  const after = planned && Object.fromEntries(planned.jobs.filter((job) => job.after.length > 0).map((job) => [job.id, job.after]));
  expect(planned && { stages: planned.stages, after }).to.deep.equal(plan);
}

interface Came {
  readonly gateway: TestGateway;
  readonly played: Played;
}

async function runOf({ name, text, expect: { given = {} } }: Vector, peers: Peers): Promise<Came> {
  return peers.run({ name, text, given });
}

/** It was not started, and its caller is told every mistake with its place. */
function expectRefusal({ name, expect: { diagnostics } }: Vector, { result, events, lines }: Played): void {
  expect({ events, lines, status: result['status'] }).to.deep.equal({ events: [], lines: [], status: 'rejected' });
  const told = String(result['message']);
  for (const { severity, line, column, message } of diagnostics) {
    if (severity === 'error') expect(told).to.contain(`${name}.yaml:${line}:${column}: `).and.contain(message);
  }
}

async function expectRun(vector: Vector, { gateway, played }: Came): Promise<void> {
  const { run } = vector.expect;
  if (run === undefined) return expectRefusal(vector, played);
  const { events, lines, result } = played;
  const { status, exitCode = null, message = null } = result as { status?: string; exitCode?: number; message?: string };
  expect(status, JSON.stringify(result)).to.equal(run.outcome);
  if (run.outcome !== 'succeeded') expect(exitCode, 'exit code').to.equal(run.exitCode);
  if (run.message !== undefined) expect(fits(message, run.message), `the message ${JSON.stringify(message)} is ${JSON.stringify(run.message)}`).to.equal(true);
  const begun = afterBeginning(events, vector.expect, run);
  expect(problemsOfOrder(begun, run.events)).to.deep.equal([]);
  for (const never of run.never ?? []) expect(events.filter((event) => isOne(event, never))).to.deep.equal([]);
  for (const { from, to, ms } of run.within ?? []) expect(timeOf(events.findLast((event) => isOne(event, to))) - timeOf(events.find((event) => isOne(event, from)))).to.be.below(ms);
  for (const { time } of events) expect(time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expectLines(linesByJob(lines), run.lines);
  expectSummary(played, run);
  expect(await readTree(join(gateway.runsFolder, played.run, 'artifacts'))).to.deep.equal(run.artifacts ?? {});
  expect(result['cleanup']).to.deep.include({ clean: true, left: [] });
  expect([...await containersLeft(played.run), ...await pipelineThingsLeft(played.run)]).to.deep.equal([]);
}

function timeOf(event: Event | undefined): number {
  return Date.parse(String(event?.['time']));
}

/** What follows the plan and what the file is worth a word for; nothing is told of a pipeline that cannot begin. */
function afterBeginning(events: readonly Event[], { plan, diagnostics }: Vector['expect'], run: ExpectedRun): readonly Event[] {
  const [planned, ...rest] = events;
  if (planned === undefined) return [];
  const jobs = plan!.stages.flatMap((ids, stage) => ids.map((id) => ({ id, after: plan!.after[id] ?? [], stage })));
  const told = (planned['jobs'] as readonly Event[]).map(({ name, ...job }) => job);
  expect({ ...planned, jobs: told }).to.deep.include({ type: 'pipeline-planned', logsWithTime: run.logsWithTime ?? false, jobs });
  const warnings = diagnostics.map(({ message, line, column }) => ({ type: 'pipeline-warning', message, line, column }));
  expect(rest.slice(0, warnings.length).map(({ type, message, line, column }) => ({ type, message, line, column }))).to.deep.equal(warnings);
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

/** The value of the result says what the events have said. */
function expectSummary({ events, result }: Played, run: ExpectedRun): void {
  const over = events.filter(({ type }) => type === 'job-ended' || type === 'job-skipped');
  const value = result['value'] as { jobs: readonly Event[]; outputs: object } | undefined;
  if (over.length === 0 || run.outcome === 'cancelled') return;
  const told = Object.fromEntries(over.map(({ job, type, status, reason }) => [String(job), type === 'job-skipped' ? { status: 'skipped', reason } : { status }]));
  expect(Object.fromEntries(value!.jobs.map(({ id, status, reason }) => [String(id), reason === undefined ? { status } : { status, reason }]))).to.deep.equal(told);
  expect(value!.outputs).to.deep.equal(run.outputs ?? {});
}
