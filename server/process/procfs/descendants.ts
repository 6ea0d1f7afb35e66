// Finds the processes of an obligation among the descendants of the gateway. The cost depends only on the number of
// these descendants, not on other processes of the machine.
//
// The gateway is a subreaper, so a process whose parent has ended becomes its child. A child that the gateway has not
// started is a stray. Every process of an obligation is in the tree of its leader or of a stray.
//
// A tree can consist of one process at a time, each of which starts the next one and exits. A scan may find only
// processes that have exited meanwhile. Such a zombie, if no earlier scan has seen it, shows that the tree is alive.

import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readLimitMark } from './limit-mark.ts';
import { identityKey, isInLeaderGroup, isLinked, type ObligationProcesses } from './process-members.ts';
import { readLinks } from './process-scan.ts';
import { type ProcessInfo, readChildren, readProcess } from './procfs.ts';

/** What a scan needs to know of the children of this process. */
export interface OwnChildren {
  /** Returns the children of this process, with those that have exited and are not reaped yet. */
  listChildren(): readonly number[];
  /** True for a child that this process has started. */
  hasStarted(pid: number): boolean;
  /** Reaps this child as soon as it exits. For a living child that this process has not started. Idempotent. */
  adopt(pid: number): void;
}

/** A child that this process has not started. It may have exited, but it is not reaped yet. */
export interface Stray {
  readonly info: ProcessInfo;
  /** The mark of the stray's obligation. Absent if the stray has removed its mark or never had one. */
  readonly mark: string | undefined;
}

/** Maximum time that one scan may block the event loop. */
const turnMsMax = 4;

/**
 * Returns a function that finds all strays. Each scan begins after its request; all requests of one event-loop
 * turn share one scan.
 */
export function createStrayFinder(
  children: Pick<OwnChildren, 'listChildren' | 'hasStarted'>,
): () => Promise<readonly Stray[]> {
  let known: ReadonlyMap<string, string | undefined> = new Map();
  let next: Promise<readonly Stray[]> | undefined;
  const scan = (): readonly Stray[] => {
    const strays: Stray[] = [];
    for (const pid of children.listChildren()) {
      const info = children.hasStarted(pid) ? undefined : readProcess(pid);
      if (info === undefined) continue;
      const key = identityKey(info);
      strays.push({ info, mark: known.has(key) ? known.get(key) : readLimitMark(pid) });
    }
    known = new Map(strays.map(({ info, mark }) => [identityKey(info), mark]));
    return strays;
  };
  return () =>
    (next ??= nextTurn().then(() => {
      next = undefined;
      return scan();
    }));
}

/**
 * Kills the strays with this mark, and those that they start meanwhile. Blocks the event loop for at most `turnMsMax`.
 * Sends the signal right after the list is read, to reach a process that exists for less than a scan takes. An unreaped
 * child keeps its pid, so the signal cannot reach another process.
 */
export function killStrays(mark: string, children: Pick<OwnChildren, 'listChildren' | 'hasStarted'>): void {
  const seen = new Set<number>();
  const until = performance.now() + turnMsMax;
  for (let count = -1; seen.size > count && performance.now() < until; ) {
    count = seen.size;
    // The kernel lists the newest child last.
    for (const pid of [...children.listChildren()].reverse()) {
      if (seen.has(pid) || children.hasStarted(pid)) continue;
      seen.add(pid);
      if (readLimitMark(pid) === mark) sendKill(pid);
    }
  }
}

function sendKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has exited, or runs as another user; the next scan tells.
  }
}

/** The processes of an obligation that a scan has found. */
export interface FoundProcesses {
  readonly living: readonly ProcessInfo[];
  /** Processes that have exited and are not reaped yet. */
  readonly exited: readonly ProcessInfo[];
}

/**
 * Returns the processes of an obligation that this process has started with its mark. `knownKeys` are identities from
 * earlier scans.
 */
export async function findDescendants(
  target: ObligationProcesses,
  strays: readonly Stray[],
  { knownKeys, children }: { readonly knownKeys: ReadonlySet<string>; readonly children: OwnChildren },
): Promise<FoundProcesses> {
  const roots = [...knownKeys, ...(target.pid === undefined ? [] : [`${target.pid}@${target.startTime}`])].flatMap(
    (key) => readIdentity(key) ?? [],
  );
  const exited = strays.filter(({ info, mark }) => !info.living && mark === target.mark).map(({ info }) => info);
  for (const stray of strays.filter(({ info }) => info.living)) {
    if (!(await isOfObligation(stray, target, knownKeys))) continue;
    roots.push(stray.info);
    if (readProcess(stray.info.pid)?.startTime === stray.info.startTime) children.adopt(stray.info.pid);
  }
  return { living: await readTrees(roots), exited };
}

function readIdentity(key: string): ProcessInfo | undefined {
  const info = readProcess(Number.parseInt(key, 10));
  return info !== undefined && identityKey(info) === key ? info : undefined;
}

async function isOfObligation(
  { info, mark }: Stray,
  target: ObligationProcesses,
  knownKeys: ReadonlySet<string>,
): Promise<boolean> {
  if (mark !== undefined) return mark === target.mark;
  if (info.startTime < target.since) return false;
  if (knownKeys.has(identityKey(info)) || isInLeaderGroup(info, target, readProcess)) return true;
  return isLinked(await readLinks(info.pid), target);
}

/** Returns the living processes of the trees below `roots`, each once. Yields to the event loop in between. */
async function readTrees(roots: readonly ProcessInfo[]): Promise<readonly ProcessInfo[]> {
  const found = new Map<number, ProcessInfo>();
  const pending = [...roots];
  let turnStart = performance.now();
  for (let info = pending.pop(); info !== undefined; info = pending.pop()) {
    if (found.has(info.pid) || info.pid === process.pid) continue;
    found.set(info.pid, info);
    for (const pid of listChildren(info.pid)) pushDefined(pending, readProcess(pid));
    if (performance.now() - turnStart < turnMsMax) continue;
    await nextTurn();
    turnStart = performance.now();
  }
  return [...found.values()].filter(({ living }) => living);
}

function pushDefined<T>(list: T[], value: T | undefined): void {
  if (value !== undefined) list.push(value);
}

function listChildren(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => readChildren(pid, Number(thread)));
  } catch {
    return [];
  }
}
