// `npm run test:nodes`: runs every example call on every supported version of Node, and every command against a server
// that closes its connections. Prints a table.

import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sharedEngineHost, stopSharedEngine } from '../helpers/docker/shared-engine.ts';
import { runAtClosingServer } from './closing-server.ts';
import { installNodes, type NodeVersion } from './install-nodes.ts';
import { type ExampleResult, runExamples } from './run-examples.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

process.exit(await main());

/** Returns 0 if every command ended as expected on every version and nothing printed a warning. */
async function main(): Promise<number> {
  const nodes = installNodes(root);
  const folder = await mkdtemp(join(tmpdir(), 'nodes-'));
  process.env['TMPDIR'] = folder;
  try {
    await cp(join(root, 'distillery.yaml'), join(folder, 'distillery.yaml'));
    await symlink(join(root, 'docs'), join(folder, 'docs'));
    const engine = await sharedEngineHost();
    const results: ExampleResult[][] = [];
    for (const node of nodes)
      results.push([...(await runExamples(node, { folder, engine })), ...(await runAtClosingServer(node, folder))]);
    process.stdout.write(formatTable(nodes, results));
    const problems = nodes.flatMap((node, at) => describeProblems(node, results[at]!));
    process.stdout.write(problems.join(''));
    return problems.length === 0 ? 0 : 1;
  } finally {
    await stopSharedEngine();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One row per call, one column per version. */
function formatTable(nodes: readonly NodeVersion[], results: readonly (readonly ExampleResult[])[]): string {
  const names = results[0]!.map(({ name }) => name);
  const width = Math.max(...names.map((name) => name.length));
  const rows = names.map((name) => [
    name,
    ...results.map((result) => cell(result.find((example) => example.name === name))),
  ]);
  return [['', ...nodes.map(({ version }) => version)], ...rows]
    .map(
      ([name = '', ...cells]) =>
        `${name.padEnd(width)}  ${cells
          .map((text) => text.padEnd(12))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

function cell(result: ExampleResult | undefined): string {
  if (result === undefined) return 'missing';
  return result.problem === undefined ? `ok ${result.ms} ms` : 'FAILED';
}

function describeProblems({ version }: NodeVersion, results: readonly ExampleResult[]): readonly string[] {
  return results.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`\nNode ${version}, ${name}:\n${problem.trimEnd()}\n`],
  );
}
