// Reports jobs that wait for each other in a cycle.

import type { PipelineDiagnostic } from '../language/diagnostic.ts';
import type { Job } from '../language/model.ts';
import { stronglyConnectedComponents } from './strongly-connected.ts';

/**
 * Returns one diagnostic per strongly connected component. The diagnostic names the shortest cycle through the first
 * job. Its position is that of the name in `needs` that closes the cycle.
 */
export function cycleDiagnostics(jobs: readonly Job[]): readonly PipelineDiagnostic[] {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const needs = new Map(
    [...byName].map(([name, job]) => [name, [...new Set((job.needs ?? []).map((need) => need.name))]]),
  );
  return stronglyConnectedComponents(needs).map((component) =>
    cycleDiagnostic(shortestCycle(component, needs), byName),
  );
}

/**
 * Returns the shortest cycle through the first job of `component`, such as `[a, b, a]`. All jobs of a component reach
 * each other.
 */
function shortestCycle(component: readonly string[], needs: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const [first] = component as readonly [string];
  const inside = new Set(component);
  const from = new Map<string, string>();
  const queue = [first];
  for (const at of queue) {
    if (from.has(first)) break;
    for (const need of (needs.get(at) ?? []).filter((name) => inside.has(name) && !from.has(name))) {
      from.set(need, at);
      queue.push(need);
    }
  }
  const cycle = [first];
  for (let at = from.get(first)!; at !== first; at = from.get(at)!) cycle.unshift(at);
  return [first, ...cycle];
}

function cycleDiagnostic(cycle: readonly string[], jobs: ReadonlyMap<string, Job>): PipelineDiagnostic {
  const [closing, first] = [cycle.at(-2)!, cycle[0]!];
  const { location } = jobs.get(closing)!.needs!.find(({ name }) => name === first)!;
  return {
    code: 'INVALID_FIELD_VALUE',
    severity: 'error',
    job: closing,
    field: 'needs',
    ...location,
    message:
      closing === first
        ? `job '${first}' waits for itself: ${cycle.join(' -> ')}`
        : `jobs wait for each other: ${cycle.join(' -> ')}`,
    suggestions: [`remove '${first}' from the needs of '${closing}'`],
  };
}
