// Sorts the test files: unit tests need no root, no engine, no browser and no network; integration tests may need all.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface TestGroups {
  readonly unit: readonly string[];
  readonly integration: readonly string[];
}

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * A test that imports one of these is an integration test: each helper starts an engine, a browser or another process.
 */
const integrationHelpers: ReadonlySet<string> = new Set([
  'test/helpers/browser.ts',
  'test/helpers/cli/run-cli.ts',
  'test/helpers/docker/podman-engine.ts',
  'test/helpers/docker/restartable-engine.ts',
  'test/helpers/docker/shared-engine.ts',
  'test/helpers/gateway/gateway-process.ts',
  'test/helpers/http/proxy-process.ts',
]);

/** Tests of whole programs and whole APIs, of real processes and terminals, with or without an engine. */
const integrationFolders = /^test\/(?:compat\/pin|contract|e2e|fuzz|process)\//;

const integrationFiles: ReadonlySet<string> = new Set([
  // Need root, or programs that a machine may lack.
  'test/docker/private/engine.test.ts',
  'test/runs/limits.test.ts',
  // Start whole programs.
  'test/checks/checks.test.ts',
  'test/checks/run-end.test.ts',
  'test/docs/stopping.test.ts',
  'test/cli/executable.test.ts',
  // Take long, because they wait for timeouts, import many modules, or read tens of thousands of files.
  'test/config/load/modules.test.ts',
  'test/gateway/listeners.test.ts',
  'test/pipeline/files/many-files.test.ts',
  // Take long, because they process gigabytes of data.
  'test/archive/pack-gigabyte.test.ts',
  'test/runs/log/text/gigabyte-line.test.ts',
]);

export function groupTests(): TestGroups {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`)
    .sort();
  return { unit: files.filter((file) => !isIntegration(file)), integration: files.filter(isIntegration) };
}

export function isIntegration(file: string): boolean {
  return (
    integrationFolders.test(file) ||
    integrationFiles.has(file) ||
    [...findTestImports(file)].some((imported) => integrationHelpers.has(imported))
  );
}

/** Returns the file itself and every file below test/ that it imports, directly or not. */
function findTestImports(file: string, found: Set<string> = new Set()): ReadonlySet<string> {
  if (found.has(file) || !file.startsWith('test/')) return found;
  found.add(file);
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, target] of text.matchAll(/^(?:import|export)[^'"]*? from '(\.[^']+)'/gm))
    findTestImports(normalize(join(dirname(file), target!)), found);
  return found;
}
