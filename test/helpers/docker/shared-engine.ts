// One private Docker engine for a whole test run. It starts once, and an environment variable contains its address.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PrivateEngine, startPrivateEngine } from '../../../server/docker/private/engine.ts';
import { atTeardown } from '../teardown.ts';

/** Variable with the address of the engine for tests. */
const hostVariable = 'DISTILLERY_TEST_ENGINE';
/** Variable that is 1 if tests use the engine at DOCKER_HOST and start none. */
const useDockerHostVariable = 'DISTILLERY_TEST_USE_DOCKER_HOST';

/** Variable that is 1 while unit tests run. */
const unitVariable = 'DISTILLERY_TEST_UNIT';

let host: Promise<string> | undefined;
let started: { readonly engine: PrivateEngine; readonly folder: string } | undefined;

/**
 * Returns the address of an engine with the image `busybox:latest`. Starts one on first use, which ends with this
 * process even after SIGKILL. Rejects in a unit test. Idempotent.
 */
export function sharedEngineHost(): Promise<string> {
  if (process.env[unitVariable] === '1') return Promise.reject(new Error('a unit test must not use an engine'));
  host ??= findOrStartEngine();
  return host;
}

async function findOrStartEngine(): Promise<string> {
  const known = process.env[hostVariable];
  if (known !== undefined) return known;
  const address =
    process.env[useDockerHostVariable] === '1'
      ? (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock')
      : await startEngine();
  process.env[hostVariable] = address;
  return address;
}

/** Stops the engine at the end of a test run. Idempotent. */
export async function stopSharedEngine(): Promise<void> {
  const { engine, folder } = started ?? {};
  started = undefined;
  host = undefined;
  if (engine === undefined || folder === undefined) return;
  delete process.env[hostVariable];
  await engine.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Returns the network of the shared engine for `nsenter --net=`; undefined for an engine that was not started here. */
export function engineNetworkPath(): string | undefined {
  return started === undefined ? undefined : `/proc/${started.engine.insidePid}/ns/net`;
}

async function startEngine(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dk-'));
  try {
    const engine = await startPrivateEngine({ folder, dieWithParent: true });
    started = { engine, folder };
    atTeardown(stopSharedEngine);
    return engine.host;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
