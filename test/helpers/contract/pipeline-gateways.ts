// Gateways for pipeline tests: one per configuration, started on first use.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedEngineHost } from '../docker/shared-engine.ts';
import { startTestGateway, type TestGateway } from '../gateway/test-gateway.ts';
import { packFileTree, writeFileTree } from '../pipeline/file-tree.ts';
import { type PipelineRunRequest, type PipelineRunResult, runPipeline } from '../pipeline/run-pipeline.ts';
import type { VectorSetup } from './pipeline-vectors.ts';

/** A pipeline and its setup. `name` is unique within one set of gateways. */
export interface PipelineCase {
  readonly name: string;
  readonly text: string;
  readonly given: VectorSetup;
}

export interface PipelineGateways {
  /** Runs the pipeline. Returns the gateway that ran it. */
  runPipeline(piece: PipelineCase): Promise<{ readonly gateway: TestGateway; readonly pipelineRun: PipelineRunResult }>;
  close(): Promise<void>;
}

export async function openPipelineGateways(): Promise<PipelineGateways> {
  const host = await sharedEngineHost();
  const folder = await mkdtemp(join(tmpdir(), 'pipelines-'));
  const gateways = new Map<string, Promise<TestGateway>>();
  const gatewayFor = async (piece: PipelineCase): Promise<TestGateway> => {
    const sections = { docker: { host }, ...(await sectionsFor(piece, join(folder, piece.name))) };
    const yaml = Object.entries(sections)
      .map(([key, section]) => `${key}: ${JSON.stringify(section)}\n`)
      .join('');
    const known = gateways.get(yaml) ?? startTestGateway(yaml);
    gateways.set(yaml, known);
    return known;
  };
  return {
    async runPipeline(piece) {
      const gateway = await gatewayFor(piece);
      return { gateway, pipelineRun: await runPipeline(gateway, await createRunRequest(piece)) };
    },
    async close() {
      await Promise.all([...gateways.values()].map(async (gateway) => (await gateway).stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Returns sections of distillery.yaml, and writes the files that they name to `folder`. */
async function sectionsFor(
  { name, text, given }: PipelineCase,
  folder: string,
): Promise<Readonly<Record<string, unknown>>> {
  const { allow, secrets, call, workspace, files } = given;
  if (secrets !== undefined || call !== undefined) await mkdir(folder);
  const caller = call === undefined ? 'pipeline.run' : name;
  const declared = await Promise.all(
    Object.entries(secrets ?? {}).map(async ([secret, value]) => {
      const file = join(folder, `secret-${secret}`);
      if (value !== null) await writeFile(file, value);
      return [secret, { file, calls: [caller] }] as const;
    }),
  );
  const sections = {
    ...(allow !== undefined && { pipelines: allow }),
    ...(declared.length > 0 && { secrets: Object.fromEntries(declared) }),
  };
  if (call === undefined) return sections;
  await writeFileTree(join(folder, 'files'), { ...files, 'pipeline.yaml': text });
  if (workspace !== undefined) await writeFileTree(join(folder, 'workspace'), workspace);
  const pipeline = {
    file: join(folder, 'files/pipeline.yaml'),
    ...(call.variables !== undefined && { variables: call.variables }),
    ...(call.workspace === true && { workspace: join(folder, 'workspace') }),
  };
  return {
    ...sections,
    calls: { [name]: { params: Object.keys(call.params).map((param) => ({ name: param })), pipeline } },
  };
}

async function createRunRequest({
  name,
  text,
  given: { call, variables, workspace, cancelAt },
}: PipelineCase): Promise<PipelineRunRequest> {
  const cancel = cancelAt === undefined ? {} : { cancelAt };
  if (call !== undefined) return { call: name, params: Object.values(call.params), ...cancel };
  const options = {
    file: `${name}.yaml`,
    ...(variables !== undefined && { variables }),
    workspace: workspace === undefined ? 'none' : 'input',
  };
  return {
    call: 'pipeline.run',
    params: [text, JSON.stringify(options)],
    ...(workspace !== undefined && { input: await packFileTree(workspace) }),
    ...cancel,
  };
}
