// Runs one attempt of a job as processes on the gateway's machine, in the workspace.

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import type { Exit, ProcessSpec } from '../../../../calls/contract/engines.ts';
import type { Input, Obligation, RunPorts } from '../../../../calls/contract/ports.ts';
import type { Workspace } from '../../files/files.ts';
import type { Job } from '../../language/model.ts';
import type { JobResults } from '../scheduler/job-results.ts';
import type { AttemptResult } from '../scheduler/scheduler.ts';
import type { Attempt } from './attempt.ts';
import { completeOutputs, recordOutputsOfFailure } from './declared-outputs.ts';
import { type JobVariables, jobEnvironment } from './environment.ts';
import { hostScriptResult, truncateCommand } from './failure-messages.ts';
import type { HostOutputFiles } from './host-output-file.ts';
import { joinScript, shellFor } from './script.ts';

export interface HostJobDeps {
  readonly ports: RunPorts;
  readonly process: (ports: RunPorts) => (spec: ProcessSpec) => Promise<Exit>;
  readonly workspace: Workspace;
  readonly outputFiles: HostOutputFiles;
  readonly results: JobResults;
  readonly values: Pick<JobVariables, 'run' | 'variables'>;
  secretsFor(attempt: Attempt): Readonly<Record<string, string>>;
}

/** Resolves when all processes of the attempt are released. Rejects with WorkFailed if the job cannot start. */
export async function runHostJob(attempt: Attempt, deps: HostJobDeps): Promise<AttemptResult> {
  const {
    planned: { job },
    deadline,
    warn,
  } = attempt;
  if (job.outputs.length === 0) return runOnHost(attempt, deps, {});
  const warnAbout = (message: string): void => warn(`job '${attempt.planned.id}': ${message}`);
  const file = await deps.outputFiles.open();
  try {
    deadline.throwIfStopped();
    const result = await runOnHost(attempt, deps, { outputFile: file.path });
    if (result.type === 'succeeded')
      deps.results.record(attempt.planned.id, {
        outputs: completeOutputs(attempt, await file.read(job.outputs, warnAbout)),
        artifacts: [],
      });
    else if (result.type === 'failed')
      await recordOutputsOfFailure(attempt, deps.results, async () =>
        completeOutputs(attempt, await file.read(job.outputs, warnAbout)),
      );
    return result;
  } finally {
    const release = await file.close();
    if ('left' in release) warn(release.left);
  }
}

async function runOnHost(
  attempt: Attempt,
  deps: HostJobDeps,
  outputs: Pick<JobVariables, 'outputFile'>,
): Promise<AttemptResult> {
  const { planned, upstream, emitStep } = attempt;
  const { job } = planned;
  const env = jobEnvironment(planned, {
    ...deps.values,
    upstream,
    secrets: deps.secretsFor(attempt),
    attempt: attempt.number,
    ...outputs,
  });
  emitStep({ step: 'host-started' });
  return runScript(
    (command) =>
      runProcess({ argv: shellFor(command, job), env, cwd: workingFolder(job, deps.workspace) }, attempt, deps),
    attempt,
  );
}

/**
 * Returns the working folder of a job. `/root`, the default of pin's jobs, means the workspace, because `/root` on the
 * gateway's machine is a real home folder.
 */
function workingFolder({ workDir, workDirWritten }: Job, { path = tmpdir() }: Workspace): string {
  return workDirWritten && workDir !== '/root' ? resolve(path, workDir) : path;
}

async function runScript(
  start: (command: string) => Promise<Exit>,
  { planned: { job }, emitStep, deadline }: Attempt,
): Promise<AttemptResult> {
  if (!job.soloExecution) {
    if (job.script.length > 0) emitStep({ step: 'shell-started' });
    const exit = await start(joinScript(job));
    deadline.throwIfStopped();
    return emitScriptEnd(hostScriptResult(exit), { emitStep });
  }
  for (const item of job.script) {
    const command = truncateCommand(item);
    emitStep({ step: 'command-started', command });
    const exit = await start(item);
    deadline.throwIfStopped();
    const result = emitScriptEnd(hostScriptResult(exit, command), { emitStep, command });
    if (result.type !== 'succeeded') return result;
  }
  return { type: 'succeeded', exitCode: 0 };
}

function emitScriptEnd(
  result: AttemptResult,
  { emitStep, command }: Pick<Attempt, 'emitStep'> & { readonly command?: string },
): AttemptResult {
  if (result.type === 'succeeded') emitStep({ step: 'script-succeeded' });
  else if (result.type === 'failed')
    emitStep({
      step: 'script-failed',
      ...(result.exitCode !== undefined && { exitCode: result.exitCode }),
      ...(command !== undefined && { command }),
    });
  return result;
}

/**
 * Runs one process, which the run's stop policy ends if the attempt is aborted. Releases processes that outlive the
 * script.
 */
async function runProcess(
  spec: ProcessSpec,
  { deadline, output, warn }: Attempt,
  { ports, process }: HostJobDeps,
): Promise<Exit> {
  const obligations: Obligation[] = [];
  const own: RunPorts = {
    run: ports.run,
    stop: ports.stop,
    events: ports.events,
    signal: deadline.signal,
    input: noInput,
    output,
    onResize: () => {},
    afterStop: () => own,
    openObligation: (kind, id, facts) => {
      const obligation = ports.openObligation(kind, id, facts);
      obligations.push(obligation);
      return obligation;
    },
  };
  try {
    return await process(own)(spec);
  } finally {
    for (const release of await Promise.all(obligations.map((obligation) => obligation.release())))
      if ('left' in release) warn(release.left);
  }
}

const noInput: Input = { taken() {}, discard() {}, async *[Symbol.asyncIterator]() {} };
