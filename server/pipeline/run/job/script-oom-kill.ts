// Finds out whether the kernel has killed a process of a running container for lack of memory.

import type { StepContainer } from '../../../../calls/contract/containers.ts';
import type { Exit } from '../../../../calls/contract/engines.ts';
import { delay } from '../../../support/delay.ts';
import { OutputTail } from './output-tail.ts';

/**
 * Shell script that reads the kernel's counter in the cgroup (version 2 or 1) of its container. Exits with 0 if the
 * kernel has killed a process for lack of memory, otherwise with 1.
 */
const script = `
exec 2>/dev/null
read -r group </proc/self/cgroup
for file in "/sys/fs/cgroup\${group#0::}/memory.events" /sys/fs/cgroup/memory/memory.oom_control; do
  [ -r "$file" ] || continue
  while read -r name count; do
    [ "$name" != oom_kill ] || exit $((count == 0))
  done <"$file"
done
exit 1
`;

/** How long to wait for the exit of the container. */
const endMs = 5_000;

/**
 * Returns true if a process of the container was killed for lack of memory. False also means that it is unknown: some
 * runtimes show no counters in the container.
 */
export async function scriptHasOomKill(
  { container, ended }: { readonly container: StepContainer; readonly ended: Promise<Exit> },
  signal: AbortSignal,
): Promise<boolean> {
  const { exitCode } = await container
    .exec(['/bin/sh', '-c', script], { output: new OutputTail() })
    .catch((): Exit => ({}));
  if (exitCode === 0 || exitCode === 1) return exitCode === 0;
  // The container has no shell that can run.
  if (exitCode === 126 || exitCode === 127) return false;
  // The script did not run to its end, probably because the container has ended. The exit of the container then shows
  // the kill.
  const exit = await Promise.race([ended, delay(endMs, { signal })]).catch(() => undefined);
  return exit?.oomKilled === true;
}
