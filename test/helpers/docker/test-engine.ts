// Helpers for container tests: an engine with default limits, and an error as a value.

import { defaultLimits } from '../../../protocol/limits.ts';
import { createDockerEngine, type DockerEngine, type DockerEngineOptions } from '../../../server/docker/engine.ts';
import { nullLogger } from '../../../server/support/logger.ts';

let gateways = 0;

/** Creates an engine with unique gateway labels, so that `listResources()` returns only what this test left. */
export function createTestEngine(host: string, more: Partial<DockerEngineOptions> = {}): DockerEngine {
  const gateway = `test-${process.pid}-${(gateways += 1)}`;
  return createDockerEngine({ host, limits: defaultLimits, gateway, log: nullLogger, ...more });
}

/** Returns the error that the promise rejects with. Throws if the promise resolves. */
export async function expectRejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('the promise did not reject');
}
