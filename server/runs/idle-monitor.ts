// Monitors silent runs and emits events: a partial line was printed, the run waits for input, the run is stalled.

import type { OutputStream } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Json, RunState } from '../../protocol/run-record.ts';
import { visibleText } from '../../protocol/visible-text.ts';
import type { Logger } from '../support/logger.ts';
import type { LogFormat } from './log/storage/read-page.ts';
import type { Run } from './run.ts';

export interface IdleMonitorDeps {
  readonly limits: () => Pick<Limits, 'partialMs' | 'partialBytesMax'>;
  /** Resolves to true if a process of the run waits for input. Never rejects. */
  readonly isWaitingForInput: (run: string) => Promise<boolean>;
  readonly log: Logger;
}

/** What the monitor reads of a run. */
export interface MonitoredRun {
  readonly id: string;
  /** 0: the run never counts as stalled. */
  readonly stallAfterMs: number;
  readonly log: {
    readonly lastWriteMs: number;
    /** If this is absent, or `format` is not `lines`, a partial line is reported only while the run is silent. */
    readonly position?: { readonly line: number };
    readonly format?: LogFormat;
    /** True if the output is bytes: it has no lines that a user could read. */
    readonly exact?: boolean;
    partialLine(
      bytesMax: number,
    ): { readonly stream: OutputStream; readonly job?: string; readonly text: string } | undefined;
    emit(type: string, facts?: Readonly<Record<string, Json>>): void;
    watch(wake: () => void): () => void;
  };
  /** Number of bytes that clients have sent, and how many of them the work has taken. */
  input(): { readonly received: number; readonly taken: number };
}

export interface MonitorHandle {
  /** Call it when input arrives. It is cheap. */
  wake(): void;
  /** Stops the monitoring. Idempotent. */
  end(): void;
}

/** Monitors a run while it is running. Call it before or after the start of the run. */
export function monitorRun(run: Run, idleMonitor: IdleMonitor): void {
  const {
    id,
    log,
    spec: { stallAfterMs },
    input,
  } = run;
  let monitor: MonitorHandle | undefined;
  const follow = (state: RunState): void => {
    if (state === 'running') monitor ??= idleMonitor.add({ id, log, stallAfterMs, input: () => input.counters });
    else monitor?.end();
  };
  input.onReceived = () => monitor?.wake();
  run.onState(({ state }) => follow(state));
  follow(run.record.state);
}

/** Shortest delay of the timer. It groups checks, so thousands of runs that print now and then share one timer. */
const timerResolutionMs = 25;
/** Number of concurrent probes. Each reads files in /proc, on threads that logs need as well. */
const probesMax = 2;

export class IdleMonitor {
  readonly #deps: IdleMonitorDeps;
  readonly #monitors = new Set<RunMonitor>();
  readonly #probes: Probe[] = [];
  #probing = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Infinity;

  constructor(deps: IdleMonitorDeps) {
    this.#deps = deps;
  }

  /** Starts to monitor a run. Call it when the work starts, and `end` when it ends. */
  add(run: MonitoredRun): MonitorHandle {
    const monitor: RunMonitor = new RunMonitor(run, this.#deps, (probe) => this.#enqueueProbe({ monitor, run: probe }));
    const wake = (): void => {
      if (monitor.wake()) this.#arm(monitor.dueMs);
    };
    const unwatch = run.log.watch(wake);
    this.#monitors.add(monitor);
    wake();
    return {
      wake,
      end: () => {
        monitor.ended = true;
        this.#monitors.delete(monitor);
        unwatch();
        if (this.#monitors.size === 0) this.#disarm();
      },
    };
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerMs) return;
    this.#disarm();
    this.#timerMs = dueMs;
    this.#timer = setTimeout(() => this.#checkDue(), Math.max(timerResolutionMs, dueMs - performance.now())).unref();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timerMs = Infinity;
  }

  #checkDue(): void {
    this.#disarm();
    const now = performance.now();
    let next = Infinity;
    for (const monitor of this.#monitors) {
      if (monitor.dueMs <= now) monitor.check(now);
      next = Math.min(next, monitor.dueMs);
    }
    if (next < Infinity) this.#arm(next);
  }

  #enqueueProbe(probe: Probe): void {
    this.#probes.push(probe);
    if (this.#probing < probesMax) void this.#runProbes();
  }

  async #runProbes(): Promise<void> {
    this.#probing += 1;
    for (let probe = this.#probes.shift(); probe !== undefined; probe = this.#probes.shift()) {
      await probe.run().catch((error: unknown) => this.#deps.log.error({ err: error }, 'cannot check a silent run'));
      this.#arm(probe.monitor.dueMs);
    }
    this.#probing -= 1;
  }
}

interface Probe {
  readonly monitor: RunMonitor;
  readonly run: () => Promise<void>;
}

/** One monitored run, with the events that its present silence has caused. */
class RunMonitor {
  /** Time of the next check (performance.now()). */
  dueMs = Infinity;
  ended = false;
  readonly #run: MonitoredRun;
  readonly #deps: IdleMonitorDeps;
  readonly #probe: (probe: () => Promise<void>) => void;
  readonly #startedMs = performance.now();
  /** True if a check is already scheduled within `partialMs`. */
  #isDueSoon = false;
  #silentSinceMs = NaN;
  /** Start of the silence, or time of the last input, whichever is later. */
  #idleSinceMs = NaN;
  #emittedPartial = false;
  /** The partial line that the last check saw, with the time and the text of its last report. */
  #partial: { readonly line: number; reportedMs: number; text: string } | undefined;
  #emittedStalled = false;
  #emittedAwaitingInput = false;
  #received = 0;
  #probeMs = Infinity;
  #probeStepMs = 0;

  constructor(run: MonitoredRun, deps: IdleMonitorDeps, probe: (probe: () => Promise<void>) => void) {
    this.#run = run;
    this.#deps = deps;
    this.#probe = probe;
  }

  /** Schedules a check. Returns true if that made the next check earlier. */
  wake(): boolean {
    if (this.#isDueSoon) return false;
    this.#isDueSoon = true;
    this.dueMs = performance.now() + this.#deps.limits().partialMs;
    return true;
  }

  check(now: number): void {
    const { partialMs } = this.#deps.limits();
    const silentFrom = Math.max(this.#run.log.lastWriteMs, this.#startedMs);
    this.#followPartial(now);
    if (now - silentFrom < partialMs) {
      this.#emitGrowing(now, partialMs);
      this.dueMs = silentFrom + partialMs;
      return;
    }
    if (silentFrom !== this.#silentSinceMs) this.#startSilence(silentFrom);
    const { received } = this.#run.input();
    if (received !== this.#received) this.#startIdle(received, now);
    this.#emitPartial();
    this.#emitStalled(now);
    if (now >= this.#probeMs) this.#probeInputWait(now);
    // Reset the flag only here, because each emitted event has called `wake`, which sets it.
    this.#isDueSoon = false;
    this.dueMs = Math.min(
      this.#probeMs,
      this.#emittedStalled || this.#emittedAwaitingInput ? Infinity : this.#idleSinceMs + this.#stallMs,
    );
  }

  get #stallMs(): number {
    return this.#run.stallAfterMs || Infinity;
  }

  #startSilence(from: number): void {
    this.#silentSinceMs = from;
    this.#emittedPartial = false;
    this.#startIdle(this.#run.input().received, from);
  }

  #startIdle(received: number, from: number): void {
    this.#received = received;
    this.#idleSinceMs = from;
    this.#emittedStalled = false;
    this.#emittedAwaitingInput = false;
    this.#probeStepMs = this.#deps.limits().partialMs;
    this.#probeMs = from;
  }

  #followPartial(now: number): void {
    const { position, format } = this.#run.log;
    if (position === undefined || format !== 'lines' || position.line === this.#partial?.line) return;
    this.#partial = { line: position.line, reportedMs: now, text: '' };
  }

  /** Reports a line that a program redraws without a pause, as progress bars do. */
  #emitGrowing(now: number, partialMs: number): void {
    if (this.#partial === undefined || now - this.#partial.reportedMs < partialMs) return;
    this.#partial.reportedMs = now;
    this.#reportPartial();
  }

  #emitPartial(): void {
    if (this.#emittedPartial) return;
    this.#emittedPartial = true;
    this.#reportPartial();
  }

  #reportPartial(): void {
    if (this.#run.log.exact) return;
    const partial = this.#run.log.partialLine(this.#deps.limits().partialBytesMax);
    if (partial === undefined) return;
    const text = visibleText(partial.text);
    if (text === '' || text === this.#partial?.text) return;
    if (this.#partial !== undefined) this.#partial.text = text;
    this.#run.log.emit('partial', { ...partial, text });
  }

  /** A run that waits for input is not stalled: only its client is silent. */
  #emitStalled(now: number): void {
    const silentMs = now - this.#idleSinceMs;
    if (this.#emittedStalled || this.#emittedAwaitingInput || silentMs < this.#stallMs) return;
    this.#emittedStalled = true;
    this.#run.log.emit('stalled', { silentMs: Math.round(silentMs) });
  }

  /**
   * Doubles the delay after each probe. A program that computes silently is rarely probed, and one that asks for input
   * late is still noticed.
   */
  #probeInputWait(now: number): void {
    this.#probeMs = Infinity;
    const silentFrom = this.#silentSinceMs;
    const { received, taken } = this.#run.input();
    this.#probe(async () => {
      const waits = received === taken && !this.ended && (await this.#deps.isWaitingForInput(this.#run.id));
      // The result is outdated if output or input arrived meanwhile.
      if (this.ended || silentFrom !== this.#silentSinceMs || received !== this.#received) return;
      if (waits && this.#isUnchanged(silentFrom, received)) return this.#emitAwaitingInput();
      this.#probeMs = now + this.#probeStepMs;
      this.#probeStepMs *= 2;
      this.dueMs = Math.min(this.dueMs, this.#probeMs);
    });
  }

  #isUnchanged(silentFrom: number, received: number): boolean {
    return (
      this.#run.input().received === received && Math.max(this.#run.log.lastWriteMs, this.#startedMs) === silentFrom
    );
  }

  #emitAwaitingInput(): void {
    this.#emittedAwaitingInput = true;
    this.dueMs = Infinity;
    this.#run.log.emit('awaiting-input');
  }
}
