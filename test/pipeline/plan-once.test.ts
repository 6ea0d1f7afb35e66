// Counts the planner calls of each way to start a pipeline: each run parses and plans its pipeline once.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { PipelineSpec, PlannedPipeline } from '../../calls/contract/engines.ts';
import { pipelineRunCall } from '../../calls/pipeline-run.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import { createPipelineEngine, type PipelineEngine, planText } from '../../server/pipeline/engine.ts';
import { createProcessEngine } from '../../server/process/engine.ts';
import { nullLogger } from '../../server/support/logger.ts';
import { type PipelineScript, withPin } from '../helpers/compat/scripted-pin-server.ts';
import { noPermissions } from '../helpers/pipeline/test-pipeline-engine.ts';
import { fakePorts } from '../helpers/runs/fake-run-ports.ts';
import { codeCall, withTestRuns } from '../helpers/runs/test-runs.ts';

const text = 'workflow: [a]\na: { host: true, script: "true" }\n';
const allow = { ...noPermissions, hostJobs: true };

interface CountedPlanner {
  readonly plan: typeof planText;
  readonly results: readonly PlannedPipeline[];
}

function countPlans(): CountedPlanner {
  const results: PlannedPipeline[] = [];
  const plan: typeof planText = (...parameters) => {
    const planned = planText(...parameters);
    results.push(planned);
    return planned;
  };
  return { plan, results };
}

function openEngine(folder: string, plan: typeof planText): PipelineEngine {
  const limits = { ...defaultLimits, outputDrainMs: 200 };
  return createPipelineEngine({
    containers: () => Promise.reject(new Error('no container engine in this test')),
    process: createProcessEngine({ environment: ['PATH'], limits, log: nullLogger }).process,
    secret: async () => undefined,
    environment: () => ({}),
    limits: () => limits,
    folder,
    random: () => 0.5,
    log: nullLogger,
    planText: plan,
  });
}

/** Returns the same call, which runs its pipelines on `engine`. */
function withPlanningEngine(call: Call, engine: () => PipelineEngine): Call {
  return {
    ...call,
    body: (context) =>
      call.body({ ...context, engines: { ...context.engines, pipeline: engine().pipeline(fakePorts().ports) } }),
  };
}

describe('planning a pipeline', () => {
  it('pipeline.run plans its text once, and runs the plan that its check made', async () => {
    const planner = countPlans();
    let engine!: PipelineEngine;
    const call = pipelineRunCall({
      plan: planner.plan,
      allow,
      workspaces: [],
      resolveWorkspace: async (folder) => folder,
      stop: { signal: 'SIGTERM', graceMs: 1_000 },
    });
    await withTestRuns([withPlanningEngine(call, () => engine)], async ({ start }, folder) => {
      engine = openEngine(folder, planner.plan);
      expect(await start('pipeline.run', [text]).ended).to.include({ outcome: 'succeeded' });
      expect(planner.results).to.have.length(1);
    });
  });

  it('a call that does not check its params plans its text once, when its run starts', async () => {
    const planner = countPlans();
    let engine!: PipelineEngine;
    const call = codeCall('build', ({ engines }) =>
      engines.pipeline({ text, file: 'a.yaml', workspace: { from: 'nowhere' }, allow }),
    );
    await withTestRuns([withPlanningEngine(call, () => engine)], async ({ start }, folder) => {
      engine = openEngine(folder, planner.plan);
      expect(await start('build').ended).to.include({ outcome: 'succeeded' });
      expect(planner.results).to.have.length(1);
    });
  });

  it('the pin API plans a text once and passes the plan to the run', () => {
    const planner = countPlans();
    const specs: PipelineSpec[] = [];
    const usual: PipelineScript = async ({ plan, job }, spec) => {
      specs.push(spec);
      plan('a');
      job('a');
      return { exitCode: 0 };
    };
    return withPin(
      async ({ request, ended }) => {
        const body = '# play: usual\nworkflow: [a]\na: { image: busybox, script: s }\n';
        const { json } = await request('/trigger', { method: 'POST', body });
        await ended(json['run_id'] as string);
        expect(planner.results).to.have.length(1);
        expect(specs.map(({ planned }) => planned)).to.deep.equal(planner.results);
        expect(specs[0]?.planned).to.equal(planner.results[0]);
      },
      { scripts: { usual }, plan: (submitted) => planner.plan(submitted) as ReturnType<typeof planText> },
    );
  });

  it('a text with a host job that is not permitted is parsed once and reports every other error too', () => {
    const invalid = 'workflow: [a]\na: { host: true, network: none, script: 5 }\n';
    const messages = planText(invalid, noPermissions).diagnostics.map(({ message }) => message);
    expect(messages).to.include('host jobs are disabled').and.include("host jobs cannot specify 'network'");
    expect(planText(text, noPermissions).plan).to.equal(undefined);
  });
});
