// Time since the machine was started. Unlike the wall clock it never jumps, and unlike `performance.now()` it can be
// compared after a restart of the gateway.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A moment, as plain JSON. Moments of different `boot` cannot be compared. */
export interface MachineTime {
  /** Identifies the start of the machine. */
  readonly boot: string;
  /** Milliseconds since that start, including the time in which the machine slept. */
  readonly ms: number;
}

/** Without /proc, moments can only be compared within this process. */
const processBoot = randomUUID();

let boot: string | undefined;

/** Returns the present moment. Source: /proc/uptime, in hundredths of a second. */
export function machineTime(): MachineTime {
  try {
    boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { boot, ms: Math.round(Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1_000) };
  } catch {
    return { boot: processBoot, ms: Math.round(performance.now()) };
  }
}

/** Returns the milliseconds since `earlier`; undefined if the machine was started again meanwhile. */
export function msSince(earlier: MachineTime, now: MachineTime = machineTime()): number | undefined {
  return earlier.boot === now.boot && now.ms >= earlier.ms ? now.ms - earlier.ms : undefined;
}
