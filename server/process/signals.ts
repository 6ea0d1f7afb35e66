// Sends signals to exactly those meant: never to a pid that was given out again, never to ourselves.

import { readProcess } from './proc.ts';
import type { Seen } from './proc.ts';

export type Sent = 'sent' | 'gone' | 'forbidden';

const self = readProcess(process.pid);

/** Signals this very process, if it still runs. */
export function signalOne({ pid, startTime }: Seen, signal: NodeJS.Signals): Sent {
  if (pid <= 1 || pid === process.pid || readProcess(pid)?.startTime !== startTime) return 'gone';
  return send(pid, signal);
}

/** Signals all of a group at once, also those born this moment. Some of `kin` must be in it: that is what makes the number ours. */
export function signalGroup(group: number, kin: readonly Seen[], signal: NodeJS.Signals): Sent {
  if (group <= 1 || group === self?.group) return 'gone';
  const member = kin.find((seen) => seen.group === group && readProcess(seen.pid)?.startTime === seen.startTime);
  return member === undefined ? 'gone' : send(-group, signal);
}

function send(target: number, signal: NodeJS.Signals): Sent {
  try {
    process.kill(target, signal);
    return 'sent';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'forbidden' : 'gone';
  }
}
