// Finds the processes of an obligation among the descendants of the gateway. The cost depends only on the number of
// these descendants, not on other processes of the machine.
//
// The gateway is a subreaper, so a process whose parent has ended becomes its child. A child that the gateway has not
// started is a stray. Every process of an obligation is in the tree of its leader or of a stray.

import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readLimitMark } from './limit-mark.ts';
import { identityKey, isInLeaderGroup, isLinked, type ObligationProcesses } from './process-members.ts';
import { readLinks } from './process-scan.ts';
import { type ProcessInfo, readChildren, readProcess } from './procfs.ts';

/** What a scan needs to know of the children of this process. */
export interface OwnChildren {
  /** True for a child that this process has started. */
  hasStarted(pid: number): boolean;
  /** Reaps this child as soon as it exits. For a living child that this process has not started. Idempotent. */
  adopt(pid: number): void;
}

export interface Stray {
  readonly info: ProcessInfo;
  /** The mark of the stray's obligation. Absent if the stray has removed its mark or never had one. */
  readonly mark: string | undefined;
}

/** Maximum time that one scan may block the event loop. */
const turnMsMax = 4;

/**
 * Returns a function that finds the living strays. Each scan begins after its request; all requests of one event-loop
 * turn share one scan.
 */
export function createStrayFinder(children: Pick<OwnChildren, 'hasStarted'>): () => Promise<readonly Stray[]> {
  let known: ReadonlyMap<string, string | undefined> = new Map();
  let next: Promise<readonly Stray[]> | undefined;
  const scan = (): readonly Stray[] => {
    const strays: Stray[] = [];
    for (const pid of readChildren(process.pid)) {
      const info = children.hasStarted(pid) ? undefined : readProcess(pid);
      if (info?.living !== true) continue;
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
 * Returns the living processes of an obligation that this process has started with its mark. `knownKeys` are identities
 * from earlier scans.
 */
export async function findDescendants(
  target: ObligationProcesses,
  strays: readonly Stray[],
  { knownKeys, children }: { readonly knownKeys: ReadonlySet<string>; readonly children: OwnChildren },
): Promise<readonly ProcessInfo[]> {
  const roots = [...knownKeys, ...(target.pid === undefined ? [] : [`${target.pid}@${target.startTime}`])].flatMap(
    (key) => readIdentity(key) ?? [],
  );
  for (const stray of strays) {
    if (!(await isOfObligation(stray, target, knownKeys))) continue;
    roots.push(stray.info);
    if (readProcess(stray.info.pid)?.startTime === stray.info.startTime) children.adopt(stray.info.pid);
  }
  return readTrees(roots);
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
