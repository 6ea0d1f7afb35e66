// Compares events with an expected order, in which parallel parts may interleave.

import { matchesFields, type Pattern } from './match-pattern.ts';

export type Event = Readonly<Record<string, unknown>>;

/** Events as `[type, job, fields]`, or lists of events that may run in parallel. */
export type ExpectedEvents = readonly (ExpectedEvent | { readonly together: readonly ExpectedEvents[] })[];
export type ExpectedEvent = readonly [type: string, job?: string | null, facts?: Readonly<Record<string, Pattern>>];

interface ExpectedNode {
  readonly expected: ExpectedEvent;
  /** Nodes whose events must come before the event of this node. */
  readonly after: readonly ExpectedNode[];
  isMatched: boolean;
}

/**
 * Returns the differences; empty if the events match. An unexpected event is a difference, except a `job-step`. An
 * expected event that is missing or out of order is always a difference.
 */
export function findEventMismatches(events: readonly Event[], expected: ExpectedEvents): readonly string[] {
  const nodes: ExpectedNode[] = [];
  linkEvents(expected, [], nodes);
  const unexpected = events.filter((event) => {
    const node = nodes.find(
      ({ isMatched, after, expected: wanted }) =>
        !isMatched && after.every((one) => one.isMatched) && matchesEvent(event, wanted),
    );
    if (node === undefined) return event['type'] !== 'job-step';
    node.isMatched = true;
    return false;
  });
  return [
    ...unexpected.map((event) => `unexpected event, or out of order: ${JSON.stringify(event)}`),
    ...nodes
      .filter(({ isMatched }) => !isMatched)
      .map((node) => `missing event, or out of order: ${JSON.stringify(node.expected)}`),
  ];
}

/** Adds the nodes of a list. Returns its last nodes. */
function linkEvents(
  list: ExpectedEvents,
  before: readonly ExpectedNode[],
  nodes: ExpectedNode[],
): readonly ExpectedNode[] {
  let after = before;
  for (const item of list) {
    if ('together' in item) {
      after = item.together.flatMap((side) => linkEvents(side, after, nodes));
    } else {
      const node = { expected: item, after, isMatched: false };
      nodes.push(node);
      after = [node];
    }
  }
  return after;
}

/** Returns true if the event matches. Fields that the expectation does not name may have any value. */
export function matchesEvent(event: Event, [type, job, facts = {}]: ExpectedEvent): boolean {
  return event['type'] === type && (job ?? undefined) === event['job'] && matchesFields(event, facts);
}
