// Which processes belong to an obligation: its leader's session and group, whoever carries its marks or holds its pipes,
// and all their children, sessions and groups.

import type { ObligationEntry } from '../../calls/contract/ports.ts';
import type { Json } from '../../protocol/record.ts';
import { readBoot, readProcess } from './proc.ts';
import type { Seen } from './proc.ts';
import type { Survey, Ties } from './survey.ts';

/** An obligation as it stands in the journal. */
export interface Kinship {
  readonly run: string;
  readonly id: string;
  /** Boot of the machine it was started in; nothing of it lives in another. */
  readonly boot: string;
  /** No process of it is older than this (clock ticks since boot). */
  readonly since: number;
  /** Leader of its session and group; absent when the gateway fell between starting it and writing it down. */
  readonly pid?: number;
  readonly startTime?: number;
  readonly files: readonly string[];
  readonly terminal: boolean;
  /** The gateway that started it still runs: its pid cannot have served others meanwhile. */
  readonly ours: boolean;
}

const boot = readBoot();
const self = readProcess(process.pid);

/** What the journal gets to know before the process is started. */
export function obligationFacts(program: string): Readonly<Record<string, Json>> {
  return { program, boot, since: self?.startTime ?? 0 };
}

export function kinshipOf({ run, id, facts }: ObligationEntry): Kinship {
  const number = (name: string): number | undefined => (typeof facts[name] === 'number' ? facts[name] : undefined);
  const [pid, startTime, since] = [number('pid'), number('startTime'), number('since')];
  const files = Array.isArray(facts['files']) ? facts['files'].filter((file) => typeof file === 'string') : [];
  return {
    run, id, files,
    boot: typeof facts['boot'] === 'string' ? facts['boot'] : '',
    since: startTime ?? since ?? 0,
    terminal: facts['terminal'] === true,
    ours: facts['boot'] === boot && since === self?.startTime,
    ...(pid === undefined || startTime === undefined ? {} : { pid, startTime }),
  };
}

export function ofThisBoot({ boot: theirs }: Kinship): boolean {
  return theirs === boot;
}

/** pid and start time in one word. */
export function identityOf({ pid, startTime }: Seen): string {
  return `${pid}@${startTime}`;
}

/** Living processes of the obligation. `known` are identities found in earlier looks: they stay kin, whatever became of their parents. */
export async function findKin(kinship: Kinship, survey: Survey, known: ReadonlySet<string>): Promise<readonly Seen[]> {
  const candidates = [...survey.processes.values()].filter((seen) => seen.living && mayBeKin(seen, kinship));
  const kin = new Set(candidates.filter((seen) => known.has(identityOf(seen)) || inLeadersReach(seen, kinship, survey)));
  addRelations(kin, candidates);
  await Promise.all(candidates.filter((seen) => !kin.has(seen)).map(async (seen) => {
    if (isTied(await survey.ties(seen.pid), kinship)) kin.add(seen);
  }));
  addRelations(kin, candidates);
  return [...kin];
}

function mayBeKin(seen: Seen, { since }: Kinship): boolean {
  return seen.pid > 1 && seen.pid !== process.pid && !seen.kernel && seen.startTime >= since;
}

function inLeadersReach(seen: Seen, { pid, startTime, ours }: Kinship, survey: Survey): boolean {
  if (pid === undefined) return false;
  if (seen.pid === pid) return seen.startTime === startTime;
  if (seen.group !== pid && seen.session !== pid) return false;
  // A pid is not given out again while a group or session bears its number. So when it names another process now, the group is that one's;
  // and when it names none, the group is ours unless a crash has left time for others to have had the number.
  const named = survey.processes.get(pid);
  return named === undefined ? ours : named.startTime === startTime;
}

function isTied(ties: Ties, { run, id, files }: Kinship): boolean {
  if (ties.run === run && (ties.id === undefined || ties.id === id)) return true;
  return ties.files.some((file) => files.includes(file));
}

/** Children of kin are kin, and so is who shares a session or group with kin: nobody can join a session from outside. */
function addRelations(kin: Set<Seen>, candidates: readonly Seen[]): void {
  for (let before = -1; before !== kin.size;) {
    before = kin.size;
    const pids = new Set([...kin].map(({ pid }) => pid));
    const sessions = new Set([...kin].map(({ session }) => session).filter((session) => session > 1 && session !== self?.session));
    for (const seen of candidates) {
      if (pids.has(seen.parent) || sessions.has(seen.session)) kin.add(seen);
    }
  }
}
