// One try of a job on the gateway's own machine: processes of the run, in its workspace.

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import type { Exit, ProcessSpec } from '../../../calls/contract/engines.ts';
import type { Input, Obligation, RunPorts } from '../../../calls/contract/ports.ts';
import type { Workspace } from '../files/files.ts';
import type { Job } from '../language/tree.ts';
import type { Attempt } from './attempt.ts';
import type { TryEnd } from './board.ts';
import { environmentOf, type JobValues } from './environment.ts';
import type { Handing } from './handed.ts';
import type { HostOutputs } from './host-outputs.ts';
import { endOfProcess, shownCommand } from './messages.ts';
import { allOutputs } from './outputs.ts';
import { joined, shellFor } from './script.ts';

export interface HostJobParts {
  readonly ports: RunPorts;
  readonly process: (ports: RunPorts) => (spec: ProcessSpec) => Promise<Exit>;
  readonly workspace: Workspace;
  readonly outputs: HostOutputs;
  readonly handing: Handing;
  readonly values: Omit<JobValues, 'handed' | 'outputFile' | 'secrets'>;
  secretsOf(attempt: Attempt): Readonly<Record<string, string>>;
}

/** Resolves when none of its processes is there any more. Throws WorkFailed when it cannot be started. */
export async function runHostJob(attempt: Attempt, parts: HostJobParts): Promise<TryEnd> {
  const { planned: { job }, stop, warn } = attempt;
  if (job.outputs.length === 0) return runOnHost(attempt, parts, {});
  const file = await parts.outputs.open();
  try {
    stop.check();
    const end = await runOnHost(attempt, parts, { outputFile: file.path });
    if (end.type === 'succeeded') parts.handing.made(attempt.planned.id, { outputs: allOutputs(attempt, await file.read(job.outputs)), artifacts: [] });
    return end;
  } finally {
    const release = await file.close();
    if ('left' in release) warn(release.left);
  }
}

async function runOnHost(attempt: Attempt, parts: HostJobParts, outputs: Pick<JobValues, 'outputFile'>): Promise<TryEnd> {
  const { planned, handed, tell } = attempt;
  const { job } = planned;
  const env = environmentOf(planned, { ...parts.values, handed, secrets: parts.secretsOf(attempt), ...outputs });
  tell({ step: 'host-started' });
  return runScript((command) => inProcess({ argv: shellFor(command, job), env, cwd: folderOf(job, parts.workspace) }, attempt, parts), attempt);
}

/** `/root` is what pin's jobs have when they say nothing; on this machine it is somebody's home. */
function folderOf({ workDir, workDirWritten }: Job, { path = tmpdir() }: Workspace): string {
  return workDirWritten && workDir !== '/root' ? resolve(path, workDir) : path;
}

async function runScript(start: (command: string) => Promise<Exit>, { planned: { job }, tell, stop }: Attempt): Promise<TryEnd> {
  if (!job.soloExecution) {
    if (job.script.length > 0) tell({ step: 'shell-started' });
    const exit = await start(joined(job));
    stop.check();
    return told(endOfProcess(exit), { tell });
  }
  for (const item of job.script) {
    const command = shownCommand(item);
    tell({ step: 'command-started', command });
    const exit = await start(item);
    stop.check();
    const end = told(endOfProcess(exit, command), { tell, command });
    if (end.type !== 'succeeded') return end;
  }
  return { type: 'succeeded', exitCode: 0 };
}

function told(end: TryEnd, { tell, command }: Pick<Attempt, 'tell'> & { readonly command?: string }): TryEnd {
  if (end.type === 'succeeded') tell({ step: 'script-succeeded' });
  else if (end.type === 'failed') tell({ step: 'script-failed', ...(end.exitCode !== undefined && { exitCode: end.exitCode }), ...(command !== undefined && { command }) });
  return end;
}

/** Stopped by the try's signal, by the stop policy of the run. What a process leaves behind is ended with it. */
async function inProcess(spec: ProcessSpec, { stop, output, warn }: Attempt, { ports, process }: HostJobParts): Promise<Exit> {
  const owed: Obligation[] = [];
  const own: RunPorts = {
    run: ports.run, stop: ports.stop, events: ports.events, signal: stop.signal, input: noInput, output, onResize: () => {},
    owe: (kind, id, facts) => {
      const obligation = ports.owe(kind, id, facts);
      owed.push(obligation);
      return obligation;
    },
  };
  try {
    return await process(own)(spec);
  } finally {
    for (const release of await Promise.all(owed.map((obligation) => obligation.release()))) if ('left' in release) warn(release.left);
  }
}

const noInput: Input = { taken() {}, discard() {}, async *[Symbol.asyncIterator]() {} };
