// Engine for processes and terminals: starts them for a run and releases them.
//
// The target is Linux. Without /proc (macOS, BSD), processes run, but a release cannot verify that they are gone and
// reports that.

import type { Availability, Exit, ProcessSpec, TerminalSpec } from '../../calls/contract/engines.ts';
import type { Releaser, RunPorts } from '../../calls/contract/ports.ts';
import type { Logger } from '../support/logger.ts';
import { type Cgroups, createCgroups, listCgroupPids } from './cgroup/cgroups.ts';
import { isWaitingForInput } from './input-wait.ts';
import type { SpawnContext } from './launch.ts';
import { createOpenInputs } from './open-inputs.ts';
import { createStrayFinder, findDescendants, killStrays } from './procfs/descendants.ts';
import { createLimitMark } from './procfs/limit-mark.ts';
import { findMembers, identityKey, initialDetails, type ObligationProcesses } from './procfs/process-members.ts';
import { createScanner } from './procfs/process-scan.ts';
import { readProcess } from './procfs/procfs.ts';
import { createReleaser, type FindProcesses } from './release.ts';
import { runProcess } from './run-process.ts';
import { runTerminal, terminalAvailability } from './run-terminal.ts';
import { getStarter, type Starter, type StarterName } from './start/starter.ts';
import type { OutputDrain } from './wait-for-exit.ts';

export interface ProcessEngineOptions {
  /** Names of the gateway's environment variables that processes inherit. */
  readonly environment: readonly string[];
  readonly limits: OutputDrain;
  readonly log: Logger;
  /** `child_process`: do not use posix_spawn even if the machine has it. */
  readonly starter?: StarterName;
  /** Default: below the cgroup of this process. */
  readonly cgroups?: Cgroups;
}

export interface ProcessEngine {
  /** How processes are started on this machine. `reason` says why posix_spawn is not used. */
  readonly starter: Pick<Starter, 'name' | 'reason'>;
  /**
   * Starts a process for the run. Resolves when it has exited and all its output is in the log. Rejects with WorkFailed
   * when it cannot be started, with WorkLost when its exit code is unknown.
   */
  process(ports: RunPorts): (spec: ProcessSpec) => Promise<Exit>;
  /** Starts a program on a terminal, otherwise like `process`. Its raw bytes form one stream, `stdout`. */
  terminal(ports: RunPorts): (spec: TerminalSpec) => Promise<Exit>;
  /** Returns whether this machine can open terminals. Never throws. */
  terminalAvailability(): Availability;
  /**
   * True if a process of the run is known to be waiting for input right now. Costs a few reads in /proc. Never rejects.
   */
  isWaitingForInput(run: string): Promise<boolean>;
  /** Releases and verifies an obligation of kind `process`, including one left in the journal by an earlier gateway. */
  readonly release: Releaser;
  /** Removes and verifies an obligation of kind `cgroup`. */
  readonly releaseCgroup: Releaser;
  /** Returns why processes cannot have limits on this machine; undefined if no reason is known. */
  whyNoLimits(): string | undefined;
}

export function createProcessEngine({ environment, limits, log, ...options }: ProcessEngineOptions): ProcessEngine {
  const starter = getStarter(options.starter);
  const { cgroups = createCgroups() } = options;
  const inputs = createOpenInputs();
  // Count starts per run. The key is the `events` object, which all ports of a run share; a part of a run may have
  // ports of its own.
  const counts = new WeakMap<RunPorts['events'], number>();
  const openObligation: SpawnContext['openObligation'] = (ports, program, known = {}) => {
    const count = (counts.get(ports.events) ?? 0) + 1;
    const id = `process-${count}`;
    counts.set(ports.events, count);
    const mark = createLimitMark();
    const obligation = ports.openObligation('process', id, {
      ...initialDetails(program),
      ...(starter.name === 'posix_spawn' && { mark: String(mark) }),
      ...known,
    });
    return {
      id,
      mark,
      update: (facts) => obligation.update(facts),
      reportOutputCut: (cut) => obligation.reportOutputCut(cut),
      pendingUntil: (creation) => obligation.pendingUntil(creation),
      release: () => obligation.release(),
      released: obligation.released,
    };
  };
  const context: SpawnContext = {
    environment,
    drain: limits,
    log,
    inputs,
    starter,
    cgroups,
    openObligation,
  };
  return {
    starter,
    process: (ports) => (spec) => runProcess(context, ports, spec),
    terminal: (ports) => (spec) => runTerminal(context, ports, spec),
    terminalAvailability,
    isWaitingForInput: async (run) => (await Promise.all(inputs.listInputs(run).map(isWaitingForInput))).includes(true),
    release: createReleaser({
      find: createFinder(starter),
      killStrays: ({ mark, startedByThisGateway }) => {
        if (starter.reaper !== undefined && startedByThisGateway && mark !== undefined)
          killStrays(mark, starter.reaper);
      },
      inputs,
      log,
    }),
    releaseCgroup: cgroups.release,
    whyNoLimits: () => (starter.name === 'posix_spawn' ? cgroups.whyUnavailable() : starter.reason),
  };
}

/**
 * Returns a finder that scans only the descendants of the gateway if that is enough, otherwise all processes of the
 * machine.
 */
function createFinder({ reaper }: Pick<Starter, 'reaper'>): FindProcesses {
  const scan = createScanner();
  const findStrays = reaper === undefined ? undefined : createStrayFinder(reaper);
  return async (target, earlierKeys) => {
    const knownKeys = new Set([...earlierKeys, ...listCgroupKeys(target)]);
    return findStrays === undefined || reaper === undefined || !target.startedByThisGateway || target.mark === undefined
      ? { living: await findMembers(target, await scan(), knownKeys), exited: [] }
      : findDescendants(target, await findStrays(), { knownKeys, children: reaper });
  };
}

/** Returns the identities of all processes in the cgroup of an obligation. All of them belong to the obligation. */
function listCgroupKeys({ cgroup }: ObligationProcesses): readonly string[] {
  if (cgroup === undefined) return [];
  return listCgroupPids(cgroup).flatMap((pid) => {
    const info = readProcess(pid);
    return info === undefined ? [] : [identityKey(info)];
  });
}
