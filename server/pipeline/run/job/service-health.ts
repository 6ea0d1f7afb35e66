// Waits until a service is healthy. Runs the check of the service itself, because some engines do not run health checks
// (Podman without systemd), and none reports why a check failed.

import type { StepContainer } from '../../../../calls/contract/containers.ts';
import { type Exit, WorkFailed } from '../../../../calls/contract/engines.ts';
import { quote } from '../../../../calls/text/quote.ts';
import { delay } from '../../../support/delay.ts';
import { withTimeout } from '../../../support/with-timeout.ts';
import type { HealthCheck } from '../../language/model.ts';
import { OutputTail } from './output-tail.ts';

export interface CheckedService {
  readonly name: string;
  readonly check: HealthCheck;
  readonly container: Pick<StepContainer, 'exec'>;
  /** Aborted when the result is no longer needed. Then the wait ends without an error. */
  readonly signal: AbortSignal;
}

/**
 * Resolves when a check has passed. Rejects with WorkFailed and the reason of the last failure after `retries`
 * consecutive failures: at the latest `startMs` + `retries` x (`intervalMs` + `timeoutMs`) after the call.
 */
export async function waitUntilHealthy({ name, check, container, signal }: CheckedService): Promise<void> {
  const countsFrom = performance.now() + check.startMs;
  for (let failures = 0; !signal.aborted; ) {
    await delay(check.intervalMs, { signal });
    if (signal.aborted) return;
    const startedAt = performance.now();
    const reason = await runCheck(check, container);
    if (reason === undefined) return;
    if (startedAt >= countsFrom) failures += 1;
    if (failures >= check.retries)
      throw new WorkFailed(
        `service ${quote(name)} is not healthy: ${quote(check.command)} failed ${timesText(failures)} (${reason})`,
      );
  }
}

/** Returns why the check failed; undefined if it passed. Never rejects. */
async function runCheck(
  { command, timeoutMs }: HealthCheck,
  container: Pick<StepContainer, 'exec'>,
): Promise<string | undefined> {
  const output = new OutputTail();
  try {
    const checked = container.exec(['/bin/sh', '-c', command], { output });
    const exit = await withTimeout(timeoutMs, checked, () => undefined);
    checked.catch(() => {});
    if (exit === undefined) return `no result within ${timeoutMs / 1_000} s`;
    return exit.exitCode === 0 ? undefined : exitText(exit, output.lastLine());
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function exitText({ exitCode }: Exit, lastLine: string): string {
  const code = exitCode === undefined ? 'no exit code' : `exit code ${exitCode}`;
  return lastLine === '' ? code : `${code}: ${lastLine}`;
}

function timesText(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
