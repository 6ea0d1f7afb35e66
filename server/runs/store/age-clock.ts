// The clock by which runs age. It counts the time that the gateway can measure: while the machine is on.
//
// The wall clock may be set at any moment, while the gateway runs and while it is stopped. A machine may also start
// with a wrong one. If runs aged by the wall clock, a wrong time would remove all of them.

import { type MachineTime, machineTime } from '../../support/machine-time.ts';

/** A reading of the age clock, as it is stored. */
export interface AgeReading {
  readonly elapsedMs: number;
  readonly at: MachineTime;
}

export class AgeClock {
  #last: AgeReading;
  readonly #machine: () => MachineTime;

  /** Continues after `stored`, the last stored reading. The time during which the machine was off does not count. */
  constructor(stored: AgeReading | undefined, machine: () => MachineTime = machineTime) {
    this.#machine = machine;
    this.#last = stored ?? { elapsedMs: 0, at: machine() };
  }

  /** Returns the present reading. `elapsedMs` never decreases. */
  read(): AgeReading {
    const { elapsedMs, at } = this.#last;
    const now = this.#machine();
    const passedMs = now.boot === at.boot ? Math.max(0, now.ms - at.ms) : now.ms;
    this.#last = { elapsedMs: elapsedMs + passedMs, at: now };
    return this.#last;
  }

  get elapsedMs(): number {
    return this.read().elapsedMs;
  }
}
