// Events against what is expected: in order, and where things go on side by side in any order between them.

import { hasAll, type Pattern } from './fits.ts';

export type Event = Readonly<Record<string, unknown>>;

/** `[type, job, facts]`, or lists of events that go on side by side. */
export type ExpectedEvents = readonly (ExpectedEvent | { readonly together: readonly ExpectedEvents[] })[];
export type ExpectedEvent = readonly [type: string, job?: string | null, facts?: Readonly<Record<string, Pattern>>];

interface Post {
  readonly expected: ExpectedEvent;
  /** Have to be there first. */
  readonly after: readonly Post[];
  seen: boolean;
}

/** What is wrong with the events; empty when they are as expected. Each must be expected but steps of jobs, of which those that are named must come. */
export function problemsOfOrder(events: readonly Event[], expected: ExpectedEvents): readonly string[] {
  const posts: Post[] = [];
  link(expected, [], posts);
  const unexpected = events.filter((event) => {
    const post = posts.find(({ seen, after, expected: wanted }) => !seen && after.every((one) => one.seen) && isOne(event, wanted));
    if (post === undefined) return event['type'] !== 'job-step';
    post.seen = true;
    return false;
  });
  return [
    ...unexpected.map((event) => `not expected, or not at its place: ${JSON.stringify(event)}`),
    ...posts.filter(({ seen }) => !seen).map((post) => `did not come, or not at its place: ${JSON.stringify(post.expected)}`),
  ];
}

/** Adds the posts of a list, and gives those that are its end. */
function link(list: ExpectedEvents, before: readonly Post[], posts: Post[]): readonly Post[] {
  let after = before;
  for (const item of list) {
    if ('together' in item) {
      after = item.together.flatMap((side) => link(side, after, posts));
    } else {
      const post = { expected: item, after, seen: false };
      posts.push(post);
      after = [post];
    }
  }
  return after;
}

/** Whether an event is the expected one; facts that are not named may be anything. */
export function isOne(event: Event, [type, job, facts = {}]: ExpectedEvent): boolean {
  return event['type'] === type && (job ?? undefined) === event['job'] && hasAll(event, facts);
}
