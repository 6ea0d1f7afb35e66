// Determines which processes belong to an obligation: the session and group of its leader, processes with its markers
// or pipes, and the descendants and sessions of all these.

import type { ObligationEntry } from '../../../calls/contract/ports.ts';
import type { Json } from '../../../protocol/run-record.ts';
import { readLimitMark } from './limit-mark.ts';
import type { ProcessLinks, ProcessScan } from './process-scan.ts';
import type { ProcessInfo } from './procfs.ts';
import { readBootId, readProcess } from './procfs.ts';

/** A process obligation, parsed from the journal. */
export interface ObligationProcesses {
  readonly run: string;
  readonly id: string;
  /** Boot id of the machine at the start. After a reboot nothing of the obligation is alive. */
  readonly boot: string;
  /** Start of the oldest process that can belong to the obligation (clock ticks since boot). */
  readonly since: number;
  /** Leader of the session and group. Absent if the gateway crashed between the spawn and the journal entry. */
  readonly pid?: number;
  readonly startTime?: number;
  readonly files: readonly string[];
  /** The mark of its processes, as `readLimitMark` returns it. Absent if child_process has started them. */
  readonly mark?: string;
  /** Folder of the cgroup that all its processes are in. Absent without limits. */
  readonly cgroup?: string;
  readonly terminal: boolean;
  /** True if this gateway process started the obligation. Then `pid` cannot have been reused. */
  readonly startedByThisGateway: boolean;
}

const boot = readBootId();
const self = readProcess(process.pid);

/** Returns the details to journal before the process starts. */
export function initialDetails(program: string): Readonly<Record<string, Json>> {
  return { program, boot, since: self?.startTime ?? 0 };
}

export function parseProcessObligation({ run, id, facts }: ObligationEntry): ObligationProcesses {
  const number = (name: string): number | undefined => (typeof facts[name] === 'number' ? facts[name] : undefined);
  const [pid, startTime, since] = [number('pid'), number('startTime'), number('since')];
  const files = Array.isArray(facts['files']) ? facts['files'].filter((file) => typeof file === 'string') : [];
  return {
    run,
    id,
    files,
    boot: typeof facts['boot'] === 'string' ? facts['boot'] : '',
    since: startTime ?? since ?? 0,
    terminal: facts['terminal'] === true,
    startedByThisGateway: facts['boot'] === boot && since === self?.startTime,
    ...(typeof facts['cgroup'] === 'string' && { cgroup: facts['cgroup'] }),
    ...(typeof facts['mark'] === 'string' && { mark: facts['mark'] }),
    ...(pid === undefined || startTime === undefined ? {} : { pid, startTime }),
  };
}

export function isCurrentBoot({ boot: bootId }: ObligationProcesses): boolean {
  return bootId === boot;
}

function hasMark({ pid }: ProcessInfo, { mark }: ObligationProcesses): boolean {
  return mark !== undefined && readLimitMark(pid) === mark;
}

/** Returns pid and start time in one string. */
export function identityKey({ pid, startTime }: ProcessInfo): string {
  return `${pid}@${startTime}`;
}

/**
 * Returns the living processes of the obligation. `knownKeys` are identities from earlier scans; those processes remain
 * members even if their parents are gone.
 */
export async function findMembers(
  target: ObligationProcesses,
  scan: ProcessScan,
  knownKeys: ReadonlySet<string>,
): Promise<readonly ProcessInfo[]> {
  const candidates = [...scan.processes.values()].filter(
    (candidate) => candidate.living && canBeMember(candidate, target),
  );
  const members = new Set(
    candidates.filter(
      (candidate) =>
        knownKeys.has(identityKey(candidate)) || isInLeaderGroup(candidate, target, (pid) => scan.processes.get(pid)),
    ),
  );
  addRelatives(members, candidates);
  await Promise.all(
    candidates
      .filter((candidate) => !members.has(candidate))
      .map(async (candidate) => {
        if (hasMark(candidate, target) || isLinked(await scan.links(candidate.pid), target)) members.add(candidate);
      }),
  );
  addRelatives(members, candidates);
  return [...members];
}

function canBeMember(candidate: ProcessInfo, { since }: ObligationProcesses): boolean {
  return candidate.pid > 1 && candidate.pid !== process.pid && !candidate.kernel && candidate.startTime >= since;
}

export function isInLeaderGroup(
  candidate: ProcessInfo,
  { pid, startTime, startedByThisGateway }: ObligationProcesses,
  find: (pid: number) => ProcessInfo | undefined,
): boolean {
  if (pid === undefined) return false;
  if (candidate.pid === pid) return candidate.startTime === startTime;
  if (candidate.group !== pid && candidate.session !== pid) return false;
  // The kernel does not reuse a pid while a group or session has that number. If another process has the pid now, the
  // group belongs to that process. If no process has it, the group belongs to the obligation only if this gateway
  // process started it. Otherwise another process may have used the pid since.
  const leader = find(pid);
  return leader === undefined ? startedByThisGateway : leader.startTime === startTime;
}

export function isLinked(links: ProcessLinks, { run, id, files }: ObligationProcesses): boolean {
  if (links.run === run && (links.id === undefined || links.id === id)) return true;
  return links.files.some((file) => files.includes(file));
}

/**
 * Adds children of members, and all processes in the session of a member, because nothing can join a session from
 * outside.
 */
function addRelatives(members: Set<ProcessInfo>, candidates: readonly ProcessInfo[]): void {
  for (let before = -1; before !== members.size; ) {
    before = members.size;
    const pids = new Set([...members].map(({ pid }) => pid));
    const sessions = new Set(
      [...members].map(({ session }) => session).filter((session) => session > 1 && session !== self?.session),
    );
    for (const candidate of candidates) {
      if (pids.has(candidate.parent) || sessions.has(candidate.session)) members.add(candidate);
    }
  }
}
