// What the container tests share: an engine with the usual limits, and an error as a value.

import { defaultLimits } from '../../protocol/limits.ts';
import { createDockerEngine, type DockerEngine, type DockerEngineOptions } from '../../server/docker/engine.ts';
import { silent } from '../../server/support/logger.ts';

let gateways = 0;

/** A gateway's engine with labels of its own, so that `list()` gives only what this test left. */
export function testEngine(host: string, more: Partial<DockerEngineOptions> = {}): DockerEngine {
  const gateway = `test-${process.pid}-${(gateways += 1)}`;
  return createDockerEngine({ host, limits: defaultLimits, gateway, log: silent, ...more });
}

/** The error a promise rejects with; fails when it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('nothing failed');
}
