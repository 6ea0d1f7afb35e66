// Gateways that are set up as pipelines in tests want them: one for each configuration, started when the first one asks.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedEngine } from '../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { play, type Play, type Played } from '../helpers/pipelines/play.ts';
import { packTree, writeTree } from '../helpers/pipelines/tree.ts';
import type { Given } from './pipeline-vectors.ts';

/** A pipeline with what is given to it; `name` is unique among those of one peer. */
export interface Piece {
  readonly name: string;
  readonly text: string;
  readonly given: Given;
}

export interface Peers {
  /** Runs it, and gives the gateway that did. */
  run(piece: Piece): Promise<{ readonly gateway: TestGateway; readonly played: Played }>;
  close(): Promise<void>;
}

export async function openPeers(): Promise<Peers> {
  const host = await sharedEngine();
  const folder = await mkdtemp(join(tmpdir(), 'pipelines-'));
  const gateways = new Map<string, Promise<TestGateway>>();
  const gatewayFor = async (piece: Piece): Promise<TestGateway> => {
    const sections = { docker: { host }, ...await sectionsFor(piece, join(folder, piece.name)) };
    const yaml = Object.entries(sections).map(([key, section]) => `${key}: ${JSON.stringify(section)}\n`).join('');
    const known = gateways.get(yaml) ?? startTestGateway(yaml);
    gateways.set(yaml, known);
    return known;
  };
  return {
    async run(piece) {
      const gateway = await gatewayFor(piece);
      return { gateway, played: await play(gateway, await playOf(piece)) };
    },
    async close() {
      await Promise.all([...gateways.values()].map(async (gateway) => (await gateway).stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Sections of distillery.yaml, and the files they name in `folder`. */
async function sectionsFor({ name, text, given }: Piece, folder: string): Promise<Readonly<Record<string, unknown>>> {
  const { allow, secrets, call, workspace, files } = given;
  if (secrets !== undefined || call !== undefined) await mkdir(folder);
  const caller = call === undefined ? 'pipeline.run' : name;
  const declared = await Promise.all(Object.entries(secrets ?? {}).map(async ([secret, value]) => {
    const file = join(folder, `secret-${secret}`);
    if (value !== null) await writeFile(file, value);
    return [secret, { file, calls: [caller] }] as const;
  }));
  const sections = { ...(allow !== undefined && { pipelines: allow }), ...(declared.length > 0 && { secrets: Object.fromEntries(declared) }) };
  if (call === undefined) return sections;
  await writeTree(join(folder, 'files'), { ...files, 'pipeline.yaml': text });
  if (workspace !== undefined) await writeTree(join(folder, 'workspace'), workspace);
  const pipeline = {
    file: join(folder, 'files/pipeline.yaml'), ...(call.variables !== undefined && { variables: call.variables }),
    ...(call.workspace === true && { workspace: join(folder, 'workspace') }),
  };
  return { ...sections, calls: { [name]: { params: Object.keys(call.params).map((param) => ({ name: param })), pipeline } } };
}

async function playOf({ name, text, given: { call, variables, workspace, cancelAt } }: Piece): Promise<Play> {
  const cancel = cancelAt === undefined ? {} : { cancelAt };
  if (call !== undefined) return { call: name, params: Object.values(call.params), ...cancel };
  const options = { file: `${name}.yaml`, ...(variables !== undefined && { variables }), workspace: workspace === undefined ? 'none' : 'input' };
  return { call: 'pipeline.run', params: [text, JSON.stringify(options)], ...(workspace !== undefined && { input: await packTree(workspace) }), ...cancel };
}
