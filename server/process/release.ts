// Ends everything that belongs to an obligation of kind `process`, and looks until nobody is there.
// A process is spawned and journaled in one synchronous step, so there is no birth to wait for (`flow`).

import type { StopSignal } from '../../calls/contract/engines.ts';
import type { ObligationEntry, ReleaseManner, Releaser } from '../../calls/contract/ports.ts';
import type { Logger } from '../support/logger.ts';
import type { Inputs } from './inputs.ts';
import { findKin, identityOf, kinshipOf, ofThisBoot } from './kin.ts';
import type { Kinship } from './kin.ts';
import { pause } from './pause.ts';
import { readProcess } from './proc.ts';
import type { Seen } from './proc.ts';
import { signalGroup, signalOne } from './signals.ts';
import type { Survey } from './survey.ts';
import { clearLooks, pollMs, signalOf, stepsFor } from './termination.ts';
import type { Step } from './termination.ts';

export interface ReleaserParts {
  readonly survey: () => Promise<Survey>;
  readonly inputs: Inputs;
  readonly log: Logger;
}

/** Gives the releaser. `how` is `exited`, or the signal that was enough. */
export function createReleaser(parts: ReleaserParts): Releaser {
  return async (entry, manner) => {
    if (process.platform !== 'linux') return { left: `${entry.id} of run ${entry.run}: whether a process has ended can be seen on Linux only` };
    const hunt = new Hunt(entry, manner, parts.survey);
    if ((await hunt.look()).length === 0) return { how: 'exited' };
    for (const step of hunt.steps) {
      const signal = signalOf(step, manner.stop);
      if (step.endsInput) parts.inputs.end(entry.run, entry.id);
      parts.log.info({ run: entry.run, obligation: entry.id, signal, processes: hunt.kin.length }, 'ending processes');
      if (await hunt.end(step, signal)) return { how: signal };
    }
    return { left: hunt.remains() };
  };
}

/** The processes found so far, and what was done to them. */
class Hunt {
  readonly #kinship: Kinship;
  readonly #manner: ReleaseManner;
  readonly #survey: () => Promise<Survey>;
  readonly #graceUntil: number;
  /** Everybody ever found, by identity: who was kin once stays kin. */
  readonly #known = new Set<string>();
  readonly #forbidden = new Set<string>();
  readonly steps: readonly Step[];
  /** Who lived at the last look. */
  kin: readonly Seen[] = [];

  constructor(entry: ObligationEntry, manner: ReleaseManner, survey: () => Promise<Survey>) {
    this.#kinship = kinshipOf(entry);
    this.#manner = manner;
    this.#survey = survey;
    this.#graceUntil = performance.now() + manner.stop.graceMs;
    this.steps = stepsFor(this.#kinship.terminal ? 'terminal' : 'process', manner.stop, manner.hurry.aborted);
  }

  async look(): Promise<readonly Seen[]> {
    if (!ofThisBoot(this.#kinship)) return [];
    this.kin = await findKin(this.#kinship, await this.#survey(), this.#known);
    for (const seen of this.kin) this.#known.add(identityOf(seen));
    return this.kin;
  }

  /** Performs one step of the table. True when nobody is left; false when its time is over, or cut short. */
  async end(step: Step, signal: StopSignal): Promise<boolean> {
    const kills = signal === 'SIGKILL';
    const hurry = kills ? undefined : this.#manner.hurry;
    const until = this.#untilWhen(step, kills);
    const told = new Set<string>();
    let surveyAt = performance.now() + step.surveyMs;
    for (let wait: number = pollMs.first; ; wait = Math.min(wait * pollMs.factor, pollMs.last)) {
      this.#tell(step, signal, told);
      const over = performance.now() >= until || hurry?.aborted === true;
      if (over || performance.now() >= surveyAt || this.#alive().length === 0) {
        if (await this.#clear()) return true;
        surveyAt = performance.now() + step.surveyMs;
        if (step.repeats) told.clear();
      }
      if (over) return false;
      await pause(Math.min(wait, until - performance.now()), hurry);
    }
  }

  #untilWhen({ waitMs }: Step, kills: boolean): number {
    if (waitMs === 'grace') return this.#graceUntil;
    const until = performance.now() + waitMs;
    return kills ? until : Math.min(until, this.#graceUntil);
  }

  /** In words, who does not go. */
  remains(): string {
    const shown = this.kin.slice(0, 5).map((seen) => {
      const { pid, name, state } = readProcess(seen.pid) ?? seen;
      const why = this.#forbidden.has(identityOf(seen)) ? 'may not be signalled: it runs as another user' : `does not end after SIGKILL: state ${state}`;
      return `process ${pid} (${name}) ${why}`;
    });
    return [...shown, ...(this.kin.length > 5 ? [`and ${this.kin.length - 5} more`] : [])].join('; ');
  }

  /** Those of the last look that still live: a few small reads, where a look reads the whole of /proc. */
  #alive(): readonly Seen[] {
    return this.kin.flatMap((seen) => {
      const now = readProcess(seen.pid);
      return now?.living === true && now.startTime === seen.startTime ? [now] : [];
    });
  }

  async #clear(): Promise<boolean> {
    for (let looks = 0; looks < clearLooks; looks += 1) {
      if ((await this.look()).length > 0) return false;
    }
    return true;
  }

  /** Signals who has not been told in this step. */
  #tell(step: Step, signal: StopSignal, told: Set<string>): void {
    const alive = this.#alive();
    const untold = alive.filter((seen) => !told.has(identityOf(seen)));
    // The whole group at once also reaches those born since the look.
    this.#sendEach(told.size === 0 ? this.#sendGroup(untold, signal) : untold, signal);
    if (step.wakes) this.#sendEach(alive.filter(({ state }) => state === 'T'), 'SIGCONT');
    for (const seen of untold) told.add(identityOf(seen));
  }

  /** Gives those whom the signal to the group has not reached. */
  #sendGroup(to: readonly Seen[], signal: NodeJS.Signals): readonly Seen[] {
    const { pid: group } = this.#kinship;
    if (group === undefined || signalGroup(group, to, signal) !== 'sent') return to;
    return to.filter((seen) => seen.group !== group);
  }

  #sendEach(to: readonly Seen[], signal: NodeJS.Signals): void {
    for (const seen of to) {
      if (signalOne(seen, signal) === 'forbidden') this.#forbidden.add(identityOf(seen));
    }
  }
}
