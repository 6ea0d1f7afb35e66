// Ends all processes of an obligation of kind `process` and verifies that they are gone. Never signals a reused pid or
// the gateway itself.

import { setMaxListeners } from 'node:events';
import type { StopSignal } from '../../calls/contract/engines.ts';
import type { ObligationEntry, ReleaseOptions, Releaser } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import type { Logger } from '../support/logger.ts';
import { killCgroup } from './cgroup/cgroups.ts';
import type { OpenInputs } from './open-inputs.ts';
import type { FoundProcesses } from './procfs/descendants.ts';
import type { ObligationProcesses } from './procfs/process-members.ts';
import { identityKey, isCurrentBoot, parseProcessObligation } from './procfs/process-members.ts';
import type { ProcessInfo } from './procfs/procfs.ts';
import { readProcess } from './procfs/procfs.ts';
import type { TerminationStep } from './termination.ts';
import { emptyScansRequired, pollMs, signalForStep, stepsFor } from './termination.ts';

/** Finds the processes of an obligation. `knownKeys` are identities of its processes from earlier scans. */
export type FindProcesses = (target: ObligationProcesses, knownKeys: ReadonlySet<string>) => Promise<FoundProcesses>;

export interface ReleaserDeps {
  readonly find: FindProcesses;
  /** Kills processes that no scan finds alive, because each starts the next one and exits. */
  readonly killStrays: (target: ObligationProcesses) => void;
  readonly inputs: OpenInputs;
  readonly log: Logger;
}

/** Creates the releaser. In its result, `how` is `exited` or the last signal that was necessary. */
export function createReleaser(deps: ReleaserDeps): Releaser {
  return async (entry, options) => {
    if (process.platform !== 'linux')
      return { left: `${entry.id} of run ${entry.run}: only on Linux can the gateway verify that a process has ended` };
    // Wait for the start, which adds the pid to the entry.
    await options.pending;
    const terminator = new Terminator(entry, options, deps);
    if (await terminator.hasExited()) return { how: 'exited' };
    for (const step of terminator.steps) {
      const signal = signalForStep(step, options.stop);
      if (step.closesInput) deps.inputs.end(entry.run, entry.id);
      deps.log.info(
        { run: entry.run, obligation: entry.id, signal, processes: terminator.members.length },
        'ending processes',
      );
      if (await terminator.performStep(step, signal)) return { how: signal };
    }
    return { left: terminator.describeSurvivors() };
  };
}

/** Number of scans that may find new processes that have exited, before the rest is ended with signals. */
const exitedScansMax = 3;

/** Ends the processes of one obligation. Remembers every process that it has found. */
class Terminator {
  readonly #target: ObligationProcesses;
  readonly #options: ReleaseOptions;
  readonly #deps: Pick<ReleaserDeps, 'find' | 'killStrays'>;
  readonly #graceUntil: number;
  /** True if the last scan has found a process that had exited, and that no earlier scan had found. */
  #foundExited = false;
  /** Identity of every process ever found. A process that was once a member stays a member. */
  readonly #knownKeys = new Set<string>();
  readonly #forbidden = new Set<string>();
  readonly steps: readonly TerminationStep[];
  /** Members that were alive at the last scan, the oldest first. */
  members: readonly ProcessInfo[] = [];

  constructor(entry: ObligationEntry, options: ReleaseOptions, deps: Pick<ReleaserDeps, 'find' | 'killStrays'>) {
    this.#target = parseProcessObligation(entry);
    this.#options = options;
    // All releases of a run listen to this signal, so disable Node's warning about many listeners.
    setMaxListeners(0, options.force);
    this.#deps = deps;
    this.#graceUntil = performance.now() + options.stop.graceMs;
    this.steps = stepsFor(this.#target.terminal ? 'terminal' : 'process', options.stop, options.force.aborted);
  }

  /** Returns true if no process is left without any signal. */
  async hasExited(): Promise<boolean> {
    // Processes that have just exited are found once, so the next scan finds nothing new.
    for (let scans = 0; scans < exitedScansMax; scans += 1) {
      if (await this.#scanIsEmpty()) return true;
      if (this.members.length > 0) return false;
    }
    return false;
  }

  /** Scans once. Returns true if no process is alive, and none has exited since the scan before. */
  async #scanIsEmpty(): Promise<boolean> {
    if (!isCurrentBoot(this.#target)) return true;
    const { living, exited } = await this.#deps.find(this.#target, this.#knownKeys);
    // Parents come first: a shell that is still alive would print "Killed" for its child.
    this.members = [...living].sort(byAge);
    this.#foundExited = exited.some((info) => !this.#knownKeys.has(identityKey(info)));
    for (const info of [...living, ...exited]) this.#knownKeys.add(identityKey(info));
    return living.length === 0 && !this.#foundExited;
  }

  /**
   * Performs one termination step. Returns true when all members are gone, false when the time of the step is over or
   * the release is forced.
   */
  async performStep(step: TerminationStep, signal: StopSignal): Promise<boolean> {
    const isKill = signal === 'SIGKILL';
    const force = isKill ? undefined : this.#options.force;
    const deadline = this.#stepDeadline(step, isKill);
    const signalled = new Set<string>();
    let nextScanAt = performance.now() + step.scanIntervalMs;
    for (let wait: number = pollMs.first; ; wait = Math.min(wait * pollMs.factor, pollMs.last)) {
      this.#signalMembers(step, signal, signalled);
      if (isKill && this.#foundExited) this.#deps.killStrays(this.#target);
      const expired = performance.now() >= deadline || force?.aborted === true;
      if (expired || performance.now() >= nextScanAt || this.#livingMembers().length === 0) {
        if (await this.#verifyGone()) return true;
        nextScanAt = performance.now() + step.scanIntervalMs;
        if (step.repeats) signalled.clear();
      }
      if (expired) return false;
      await delay(Math.min(wait, deadline - performance.now()), { signal: force });
    }
  }

  #stepDeadline({ waitMs }: TerminationStep, isKill: boolean): number {
    if (waitMs === 'grace') return this.#graceUntil;
    const deadline = performance.now() + waitMs;
    return isKill ? deadline : Math.min(deadline, this.#graceUntil);
  }

  /** Describes the processes that do not end. */
  describeSurvivors(): string {
    const shown = this.members.slice(0, 5).map((info) => {
      const { pid, name, state } = readProcess(info.pid) ?? info;
      const why = this.#forbidden.has(identityKey(info))
        ? 'cannot be signalled: it runs as another user'
        : `does not end after SIGKILL: state ${state}`;
      return `process ${pid} (${name}) ${why}`;
    });
    if (shown.length === 0) return 'processes that each start the next one and exit; SIGKILL has reached none of them';
    return [...shown, ...(this.members.length > 5 ? [`and ${this.members.length - 5} more`] : [])].join('; ');
  }

  /**
   * Returns the members of the last scan that are still alive. Needs a few small reads, whereas a scan reads all of
   * /proc.
   */
  #livingMembers(): readonly ProcessInfo[] {
    return this.members.flatMap((info) => {
      const current = readProcess(info.pid);
      return current?.living === true && current.startTime === info.startTime ? [current] : [];
    });
  }

  async #verifyGone(): Promise<boolean> {
    for (let scans = 0; scans < emptyScansRequired; scans += 1) {
      if (!(await this.#scanIsEmpty())) return false;
    }
    return true;
  }

  /** Signals all members that have not been signalled in this step. */
  #signalMembers(step: TerminationStep, signal: StopSignal, signalled: Set<string>): void {
    const { cgroup } = this.#target;
    if (signal === 'SIGKILL' && cgroup !== undefined) killCgroup(cgroup);
    const alive = this.#livingMembers();
    const unsignalled = alive.filter((info) => !signalled.has(identityKey(info)));
    // Signalling the whole group also reaches processes started since the scan.
    this.#sendEach(signalled.size === 0 ? this.#sendGroup(unsignalled, signal) : unsignalled, signal);
    if (step.sendsContinue)
      this.#sendEach(
        alive.filter(({ state }) => state === 'T'),
        'SIGCONT',
      );
    for (const info of unsignalled) signalled.add(identityKey(info));
  }

  /** Signals the group of the obligation. Returns the processes of `to` that the signal did not reach. */
  #sendGroup(to: readonly ProcessInfo[], signal: NodeJS.Signals): readonly ProcessInfo[] {
    const { pid: group } = this.#target;
    if (group === undefined || signalGroup(group, to, signal) !== 'sent') return to;
    return to.filter((info) => info.group !== group);
  }

  #sendEach(to: readonly ProcessInfo[], signal: NodeJS.Signals): void {
    for (const info of to) {
      if (signalOne(info, signal) === 'forbidden') this.#forbidden.add(identityKey(info));
    }
  }
}

/**
 * Sorts the oldest process first. Start times have a resolution of 10 ms; among equal ones, the lower pid comes first.
 */
function byAge(a: ProcessInfo, b: ProcessInfo): number {
  return a.startTime - b.startTime || a.pid - b.pid;
}

type SignalResult = 'sent' | 'gone' | 'forbidden';

const self = readProcess(process.pid);

/** Signals exactly this process if it is still alive. */
function signalOne({ pid, startTime }: ProcessInfo, signal: NodeJS.Signals): SignalResult {
  if (pid <= 1 || pid === process.pid || readProcess(pid)?.startTime !== startTime) return 'gone';
  return send(pid, signal);
}

/**
 * Signals a whole group, including processes started at this moment. One of `members` must be in the group, which
 * proves that the group number still belongs to the obligation.
 */
function signalGroup(group: number, members: readonly ProcessInfo[], signal: NodeJS.Signals): SignalResult {
  if (group <= 1 || group === self?.group) return 'gone';
  const member = members.find((info) => info.group === group && readProcess(info.pid)?.startTime === info.startTime);
  return member === undefined ? 'gone' : send(-group, signal);
}

function send(target: number, signal: NodeJS.Signals): SignalResult {
  try {
    process.kill(target, signal);
    return 'sent';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'forbidden' : 'gone';
  }
}
