// Looks after runs that go on in silence: what they have begun to print is told, that they wait for input when it is known, and that they have stalled.

import type { OutputStream } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Json, RunState } from '../../protocol/record.ts';
import type { Logger } from '../support/logger.ts';
import type { Run } from './run.ts';

export interface WatchingParts {
  readonly limits: () => Pick<Limits, 'partialMs' | 'partialBytesMax'>;
  /** Whether something of the run is known to wait for input at this moment. Never rejects. */
  readonly awaitsInput: (run: string) => Promise<boolean>;
  readonly log: Logger;
}

/** Of a run what is looked at. */
export interface Watched {
  readonly id: string;
  /** 0: never. */
  readonly stallAfterMs: number;
  readonly log: {
    readonly lastWriteMs: number;
    unfinished(bytesMax: number): { readonly stream: OutputStream; readonly job?: string; readonly text: string } | undefined;
    emit(type: string, facts?: Readonly<Record<string, Json>>): void;
    watch(wake: () => void): () => void;
  };
  /** Bytes that came from clients, and those of them that were passed on. */
  input(): { readonly received: number; readonly taken: number };
}

export interface Watch {
  /** Input came. Cheap. */
  wake(): void;
  /** The run is not to be looked at any more. Safe twice. */
  end(): void;
}

/** Looks after the run while its work goes on. To be called before that begins, or while it does. */
export function lookAfter(run: Run, watching: Watching): void {
  const { id, log, facts: { stallAfterMs }, input } = run;
  let watch: Watch | undefined;
  const follow = (state: RunState): void => {
    if (state === 'running') watch ??= watching.add({ id, log, stallAfterMs, input: () => input.totals });
    else watch?.end();
  };
  input.onReceived = () => watch?.wake();
  run.onState(({ state }) => follow(state));
  follow(run.record.state);
}

/** Looks are gathered: thousands of runs that print now and then are one timer. */
const gridMs = 25;
/** Each costs a few reads of files in /proc, by threads that the logs need too. */
const probesMax = 2;

export class Watching {
  readonly #parts: WatchingParts;
  readonly #entries = new Set<Entry>();
  readonly #probes: Probe[] = [];
  #probing = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Infinity;

  constructor(parts: WatchingParts) {
    this.#parts = parts;
  }

  /** Looks after a run from now on. To be called when its work begins; `end` is to be called when it ends. */
  add(run: Watched): Watch {
    const entry: Entry = new Entry(run, this.#parts, (look) => this.#probe({ entry, look }));
    const wake = (): void => { if (entry.wake()) this.#arm(entry.dueMs); };
    const unwatch = run.log.watch(wake);
    this.#entries.add(entry);
    wake();
    return {
      wake,
      end: () => {
        entry.over = true;
        this.#entries.delete(entry);
        unwatch();
        if (this.#entries.size === 0) this.#disarm();
      },
    };
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerMs) return;
    this.#disarm();
    this.#timerMs = dueMs;
    this.#timer = setTimeout(() => this.#look(), Math.max(gridMs, dueMs - performance.now())).unref();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timerMs = Infinity;
  }

  #look(): void {
    this.#disarm();
    const now = performance.now();
    let next = Infinity;
    for (const entry of this.#entries) {
      if (entry.dueMs <= now) entry.look(now);
      next = Math.min(next, entry.dueMs);
    }
    if (next < Infinity) this.#arm(next);
  }

  #probe(probe: Probe): void {
    this.#probes.push(probe);
    if (this.#probing < probesMax) void this.#goOn();
  }

  async #goOn(): Promise<void> {
    this.#probing += 1;
    for (let probe = this.#probes.shift(); probe !== undefined; probe = this.#probes.shift()) {
      await probe.look().catch((error: unknown) => this.#parts.log.error({ err: error }, 'a run could not be looked at'));
      this.#arm(probe.entry.dueMs);
    }
    this.#probing -= 1;
  }
}

interface Probe {
  readonly entry: Entry;
  readonly look: () => Promise<void>;
}

/** One run, and what was told of its present silence. */
class Entry {
  /** When it is to be looked at next (performance.now()). */
  dueMs = Infinity;
  over = false;
  readonly #run: Watched;
  readonly #parts: WatchingParts;
  readonly #probe: (probe: () => Promise<void>) => void;
  readonly #sinceMs = performance.now();
  /** It is due soon anyway. */
  #awake = false;
  #silentFrom = NaN;
  /** As its silence, but input that came meanwhile is a beginning too. */
  #idleFrom = NaN;
  #toldPartial = false;
  #toldStall = false;
  #toldWait = false;
  #received = 0;
  #probeMs = Infinity;
  #probeStepMs = 0;

  constructor(run: Watched, parts: WatchingParts, probe: (probe: () => Promise<void>) => void) {
    this.#run = run;
    this.#parts = parts;
    this.#probe = probe;
  }

  /** True when it is due earlier than it was. */
  wake(): boolean {
    if (this.#awake) return false;
    this.#awake = true;
    this.dueMs = performance.now() + this.#parts.limits().partialMs;
    return true;
  }

  look(now: number): void {
    const { partialMs } = this.#parts.limits();
    const silentFrom = Math.max(this.#run.log.lastWriteMs, this.#sinceMs);
    if (now - silentFrom < partialMs) {
      this.dueMs = silentFrom + partialMs;
      return;
    }
    if (silentFrom !== this.#silentFrom) this.#beginSilence(silentFrom);
    const { received } = this.#run.input();
    if (received !== this.#received) this.#beginWait(received, now);
    this.#tellPartial();
    this.#tellStall(now);
    if (now >= this.#probeMs) this.#ask(now);
    // Only now: what was told has woken it too.
    this.#awake = false;
    this.dueMs = Math.min(this.#probeMs, this.#toldStall || this.#toldWait ? Infinity : this.#idleFrom + this.#stallMs);
  }

  get #stallMs(): number {
    return this.#run.stallAfterMs || Infinity;
  }

  #beginSilence(from: number): void {
    this.#silentFrom = from;
    this.#toldPartial = false;
    this.#beginWait(this.#run.input().received, from);
  }

  #beginWait(received: number, from: number): void {
    this.#received = received;
    this.#idleFrom = from;
    this.#toldStall = false;
    this.#toldWait = false;
    this.#probeStepMs = this.#parts.limits().partialMs;
    this.#probeMs = from;
  }

  #tellPartial(): void {
    if (this.#toldPartial) return;
    this.#toldPartial = true;
    const unfinished = this.#run.log.unfinished(this.#parts.limits().partialBytesMax);
    if (unfinished !== undefined) this.#run.log.emit('partial', { ...unfinished });
  }

  /** A run that waits for input is silent because its client is. */
  #tellStall(now: number): void {
    const silentMs = now - this.#idleFrom;
    if (this.#toldStall || this.#toldWait || silentMs < this.#stallMs) return;
    this.#toldStall = true;
    this.#run.log.emit('stalled', { silentMs: Math.round(silentMs) });
  }

  /** Again after twice the time each: a program that computes in silence is hardly looked at, and one that asks at last is not missed. */
  #ask(now: number): void {
    this.#probeMs = Infinity;
    const silentFrom = this.#silentFrom;
    const { received, taken } = this.#run.input();
    this.#probe(async () => {
      const waits = received === taken && !this.over && await this.#parts.awaitsInput(this.#run.id);
      // What was seen before is no news, when something has come since.
      if (this.over || silentFrom !== this.#silentFrom || received !== this.#received) return;
      if (waits && this.#isAsItWas(silentFrom, received)) return this.#tellWait();
      this.#probeMs = now + this.#probeStepMs;
      this.#probeStepMs *= 2;
      this.dueMs = Math.min(this.dueMs, this.#probeMs);
    });
  }

  #isAsItWas(silentFrom: number, received: number): boolean {
    return this.#run.input().received === received && Math.max(this.#run.log.lastWriteMs, this.#sinceMs) === silentFrom;
  }

  #tellWait(): void {
    this.#toldWait = true;
    this.dueMs = Infinity;
    this.#run.log.emit('awaiting-input');
  }
}
