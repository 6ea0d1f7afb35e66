// One private Docker engine for a whole test run: started once, found by its address in the environment.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPrivateEngine, type PrivateEngine } from '../../server/docker/private-engine.ts';

/** The address of the engine that tests use. */
const address = 'DISTILLERY_TEST_ENGINE';
/** Set to 1: tests use the engine at DOCKER_HOST and start none. */
const useHost = 'DISTILLERY_TEST_USE_DOCKER_HOST';

let started: { readonly engine: PrivateEngine; readonly folder: string } | undefined;

/** For the root fixture. It ends with this process even when that is killed. Safe twice. */
export async function startSharedEngine(): Promise<string> {
  const known = process.env[address];
  if (known !== undefined) return known;
  const host = process.env[useHost] === '1' ? process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock' : await start();
  process.env[address] = host;
  return host;
}

/** For the root fixture. Safe twice. */
export async function stopSharedEngine(): Promise<void> {
  const { engine, folder } = started ?? {};
  started = undefined;
  if (engine === undefined || folder === undefined) return;
  delete process.env[address];
  await engine.stop();
  await rm(folder, { recursive: true, force: true });
}

/** The address of the engine with the image `busybox:latest`. Started here when no root fixture did. */
export async function sharedEngine(): Promise<string> {
  return startSharedEngine();
}

/** The network of the shared engine as `nsenter --net=` wants it; undefined when the engine is not ours. */
export function engineNetwork(): string | undefined {
  return started === undefined ? undefined : `/proc/${started.engine.inside}/ns/net`;
}

async function start(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dk-'));
  try {
    const engine = await startPrivateEngine({ folder, tie: true });
    started = { engine, folder };
    return engine.host;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
