// Jobs that wait for each other, in a circle: each circle is named whole.

import type { Complaint } from '../language/complaint.ts';
import type { Job } from '../language/tree.ts';
import { knots } from './knots.ts';

/** One complaint for each knot of jobs that wait for each other: it names the shortest circle through the first of them, at the need that closes it. */
export function cycleComplaints(jobs: readonly Job[]): readonly Complaint[] {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const needs = new Map([...byName].map(([name, job]) => [name, [...new Set((job.needs ?? []).map((need) => need.name))]]));
  return knots(needs).map((knot) => complaintOf(circleIn(knot, needs), byName));
}

/** `[a, b, a]`, the shortest through the first of `knot`, all of which reach each other. */
function circleIn(knot: readonly string[], needs: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const [first] = knot as readonly [string];
  const inside = new Set(knot);
  const from = new Map<string, string>();
  const queue = [first];
  for (const at of queue) {
    if (from.has(first)) break;
    for (const need of (needs.get(at) ?? []).filter((name) => inside.has(name) && !from.has(name))) {
      from.set(need, at);
      queue.push(need);
    }
  }
  const circle = [first];
  for (let at = from.get(first)!; at !== first; at = from.get(at)!) circle.unshift(at);
  return [first, ...circle];
}

function complaintOf(circle: readonly string[], jobs: ReadonlyMap<string, Job>): Complaint {
  const [closing, first] = [circle.at(-2)!, circle[0]!];
  const { place } = jobs.get(closing)!.needs!.find(({ name }) => name === first)!;
  return {
    code: 'INVALID_FIELD_VALUE', severity: 'error', job: closing, field: 'needs', ...place,
    message: closing === first ? `job '${first}' waits for itself: ${circle.join(' -> ')}` : `jobs wait for each other: ${circle.join(' -> ')}`,
    suggestions: [`take '${first}' out of the needs of '${closing}'`],
  };
}
