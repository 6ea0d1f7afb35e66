// What runs may have left behind on this machine, found by looking and not by asking the gateway.

import { readdirSync, readFileSync } from 'node:fs';
import Docker from 'dockerode';

/** Processes of runs, as text: those that carry the mark of `run`, or of any run of these tests. Zombies are not processes any more. */
export function runProcessesLeft(run?: string): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOurs(environmentOf(name), run)).map(describe);
}

/** Other tests may be running on this machine; ours have our temporary folder. */
function isOurs(environment: readonly string[], run: string | undefined): boolean {
  if (run !== undefined) return environment.includes(`DISTILLERY_RUN=${run}`);
  return environment.includes(`TMPDIR=${process.env['TMPDIR']}`) && environment.some((entry) => entry.startsWith('DISTILLERY_RUN='));
}

function environmentOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return [];
  }
}

function describe(pid: string): string {
  try {
    return `process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
  } catch {
    return `process ${pid}`;
  }
}

/** Containers of runs on the engine of the tests, running or not. */
export async function containersLeft(run?: string): Promise<string[]> {
  const host = process.env['DISTILLERY_TEST_ENGINE'];
  if (host === undefined) return [];
  const docker = new Docker({ socketPath: host.replace('unix://', '') });
  const label = run === undefined ? 'distillery.run' : `distillery.run=${run}`;
  const found = await docker.listContainers({ all: true, filters: { label: [label] } });
  return found.map(({ Names, State }) => `container ${Names.join()} (${State})`);
}

/** Networks and volumes of runs on the engine of the tests. */
export async function pipelineThingsLeft(run?: string): Promise<string[]> {
  const host = process.env['DISTILLERY_TEST_ENGINE'];
  if (host === undefined) return [];
  const docker = new Docker({ socketPath: host.replace('unix://', '') });
  const filters = { label: [run === undefined ? 'distillery.run' : `distillery.run=${run}`] };
  const [networks, { Volumes }] = await Promise.all([docker.listNetworks({ filters }), docker.listVolumes({ filters })]);
  return [...networks.map(({ Name }) => `network ${Name}`), ...Volumes.map(({ Name }) => `volume ${Name}`)];
}
