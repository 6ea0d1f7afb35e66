// Checks whether this machine has what the configuration needs: programs, pipeline files, secrets.

import type { Call, Requirements } from '../calls/contract/call.ts';
import type { Availability, EngineName } from '../calls/contract/engines.ts';
import { WorkFailed } from '../calls/contract/engines.ts';
import type { KeyDiagnostic } from '../calls/text/diagnostic.ts';
import { omitUndefined } from '../calls/text/omit-undefined.ts';
import { quote } from '../calls/text/quote.ts';
import type { Config } from './config/config.ts';
import { readPipelineFile } from './config/load/read-file.ts';
import { readSecret } from './config/secret.ts';
import { connectFirst, defaultHosts } from './docker/connect.ts';
import { plannedSecrets, planText } from './pipeline/engine.ts';
import { createCgroups } from './process/cgroup/cgroups.ts';
import { checkStart } from './process/check-start.ts';
import { searchPath } from './process/environment.ts';
import type { Logger } from './support/logger.ts';

/** Logs a warning for each declared call that cannot work, and for each secret that cannot be read. */
export async function reportUnavailable(
  config: Config,
  engines: { availability(): Promise<Readonly<Record<EngineName, Availability>>> },
  log: Logger,
): Promise<void> {
  for (const { path, message } of await checkMachine(config))
    log.warn({ [path[0] === 'secrets' ? 'secret' : 'call']: path[1] }, message);
  const needed = [...new Set(config.calls.flatMap(({ needs }) => needs))].filter((engine) => engine !== 'process');
  if (needed.length === 0) return;
  const states = await engines.availability();
  for (const engine of needed) {
    const state = states[engine];
    if (state.available) continue;
    const calls: string[] = [];
    for (const call of config.calls)
      if (call.needs.includes(engine) && (await needsEngine(call, config))) calls.push(call.name);
    if (calls.length > 0) log.warn({ engine, calls }, `these calls are not available: ${state.reason}`);
  }
}

/**
 * Returns a warning if calls need an engine and none answers. If `docker.host` is `auto`, warns only about a socket
 * that denies permission: a machine without any engine may not be the one that will run the gateway. Names the
 * addresses, for the operator.
 */
export async function checkEngine({ calls, docker }: Config): Promise<readonly KeyDiagnostic[]> {
  const needing = calls.filter(({ needs }) => needs.includes('container') || needs.includes('pipeline'));
  if (needing.length === 0) return [];
  const hosts = docker.host === 'auto' ? defaultHosts(process.env, []) : [docker.host];
  const engine = await connectFirst([...new Set(hosts)]);
  if (!('why' in engine)) {
    engine.close();
    return [];
  }
  if (docker.host === 'auto' && !engine.why.includes('permission denied')) return [];
  const names = needing.map(({ name }) => name).join(', ');
  const message = `no Docker engine answers, so these calls are not available: ${names} (${engine.why})`;
  return [{ path: ['docker', 'host'], message }];
}

type MachineConfig = Pick<Config, 'calls' | 'secrets' | 'environment'>;

/** Returns warnings about calls that cannot work on this machine, and about secrets that cannot be read. */
export async function checkMachine(config: MachineConfig): Promise<readonly KeyDiagnostic[]> {
  const secrets = Object.keys(config.secrets).flatMap((name) => {
    const reason = secretProblem(name, config);
    return reason === undefined ? [] : [{ path: ['secrets', name], at: 'key' as const, message: reason }];
  });
  const calls = await Promise.all(
    config.calls.map(async (call) => {
      const reason = await missingRequirement(call, config);
      return reason === undefined ? [] : [{ path: ['calls', call.name, call.kind], message: reason }];
    }),
  );
  return [...secrets, ...calls.flat()];
}

/** Returns why a call cannot work on this machine, in a text for callers; undefined if nothing is missing. */
export async function missingRequirement({ requires }: Call, config: MachineConfig): Promise<string | undefined> {
  try {
    if (requires?.program !== undefined) checkProgram(requires.program, config);
    return requires?.pipeline === undefined ? undefined : await missingSecret(requires.pipeline, config);
  } catch (error) {
    if (error instanceof WorkFailed) return error.message;
    throw error;
  }
}

function checkProgram(program: NonNullable<Requirements['program']>, { environment }: MachineConfig): void {
  checkStart(program, searchPath(environment, program.env));
  const { memoryBytes, cpus, pidsMax } = program;
  createCgroups().check(omitUndefined({ memoryBytes, cpus, pidsMax }));
}

/** What the plan of a pipeline file needs. */
interface PlannedNeeds {
  /** The text and the permissions of the plan. */
  readonly key: string;
  readonly secrets: readonly string[];
  readonly containers: boolean;
}

/** By the path of the file. A file is planned again only if its text or permissions differ. */
const planned = new Map<string, PlannedNeeds>();

/** Rejects with WorkFailed if the file cannot be read. */
async function plannedNeeds({ file, allow }: NonNullable<Requirements['pipeline']>): Promise<PlannedNeeds> {
  const text = await readPipelineFile(file);
  const key = JSON.stringify([text, allow]);
  let known = planned.get(file);
  if (known?.key !== key) {
    const { plan } = planText(text, allow);
    known = {
      key,
      secrets: plan === undefined ? [] : plannedSecrets(plan),
      containers: plan === undefined || plan.jobs.some(({ job }) => job.base.type !== 'host'),
    };
    planned.set(file, known);
  }
  return known;
}

/**
 * Returns whether a call cannot work without the engines that it needs. A pipeline of host jobs needs none, and
 * `pipeline.run` can run such pipelines if they are allowed.
 */
export async function needsEngine(
  { kind, requires }: Call,
  { pipelines }: Pick<Config, 'pipelines'>,
): Promise<boolean> {
  if (kind !== 'pipeline') return true;
  if (requires?.pipeline === undefined) return !pipelines.hostJobs;
  return plannedNeeds(requires.pipeline).then(
    ({ containers }) => containers,
    () => true,
  );
}

async function missingSecret(
  pipeline: NonNullable<Requirements['pipeline']>,
  config: MachineConfig,
): Promise<string | undefined> {
  const { secrets } = await plannedNeeds(pipeline);
  const missing = secrets.find((name) => secretProblem(name, config) !== undefined);
  return missing === undefined ? undefined : `the secret ${quote(missing)} cannot be read`;
}

/** Returns why a secret has no value, in a text for the operator; undefined if it has one or is not declared. */
function secretProblem(name: string, { secrets }: MachineConfig): string | undefined {
  const source = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (source === undefined) return undefined;
  try {
    readSecret(source, process.env);
    return undefined;
  } catch (error) {
    return `the secret ${quote(name)} cannot be read: ${(error as Error).message}`;
  }
}
