// Functions that stop what tests have started, before the test process ends. Mocha loads the root fixture as CommonJS
// and the tests as ES modules, so each has its own copy of this module. Both use one list, which belongs to the
// process.

type Stop = () => Promise<void>;

const key = Symbol.for('distillery-test-teardown');
const stops = ((globalThis as { [key]?: Set<Stop> })[key] ??= new Set());

/** Calls `stop` once, after the last test of the process. */
export function atTeardown(stop: Stop): void {
  stops.add(stop);
}

/** Calls the functions in parallel and resolves when all have ended. */
export async function tearDown(): Promise<void> {
  const pending = [...stops];
  stops.clear();
  await Promise.all(pending.map((stop) => stop()));
}
