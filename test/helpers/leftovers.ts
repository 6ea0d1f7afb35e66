// Finds what runs have left on this machine, independently of the gateway.

import { readdirSync, readFileSync } from 'node:fs';
import type Docker from 'dockerode';
import { describeProcess } from './describe-process.ts';

/**
 * Returns the processes with the mark of `run`, or of any run of these tests. Zombies have no environment and do not
 * count.
 */
export function leftoverProcesses(run?: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && belongsToTests(readEnvironment(name), run))
    .map(describeProcess);
}

/**
 * Returns true for a process of `run`, or of any run of these tests. TMPDIR distinguishes these tests from others on
 * this machine.
 */
function belongsToTests(environment: readonly string[], run: string | undefined): boolean {
  if (run !== undefined) return environment.includes(`DISTILLERY_RUN=${run}`);
  return (
    environment.includes(`TMPDIR=${process.env['TMPDIR']}`) &&
    environment.some((entry) => entry.startsWith('DISTILLERY_RUN='))
  );
}

function readEnvironment(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return [];
  }
}

/** Returns the containers of runs on the engine of the tests, running or not. */
export async function leftoverContainers(
  run?: string,
  host = process.env['DISTILLERY_TEST_ENGINE'],
): Promise<string[]> {
  if (host === undefined) return [];
  const docker = await connectEngine(host);
  const label = run === undefined ? 'distillery.run' : `distillery.run=${run}`;
  const found = await docker.listContainers({ all: true, filters: { label: [label] } });
  return found.map(({ Names, State }) => `container ${Names.join()} (${State})`);
}

/** Returns the networks and volumes of runs on the engine of the tests. */
export async function leftoverNetworksAndVolumes(run?: string): Promise<string[]> {
  const host = process.env['DISTILLERY_TEST_ENGINE'];
  if (host === undefined) return [];
  const docker = await connectEngine(host);
  const filters = { label: [run === undefined ? 'distillery.run' : `distillery.run=${run}`] };
  const [networks, { Volumes }] = await Promise.all([
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return [...networks.map(({ Name }) => `network ${Name}`), ...Volumes.map(({ Name }) => `volume ${Name}`)];
}

/** Loads the client only when a test needs it: every test run loads this file. */
async function connectEngine(host: string): Promise<Docker> {
  const { default: Client } = await import('dockerode');
  return new Client({ socketPath: host.replace('unix://', '') });
}
