// What an engine gets from the run it works for: where input comes from, where output goes, and where it writes down
// what it opens. Engines know nothing else of runs.

import type { Json, ObligationKind, StopReason } from '../../protocol/record.ts';
import type { StopPolicy } from './engines.ts';

export type OutputStream = 'stdout' | 'stderr';

/** Bytes for the work, in the order the caller sent them. Ends when the caller ends input, and when the run ends. */
export interface Input extends AsyncIterable<Uint8Array> {
  /** To be called when `bytes` of what was read have really been passed on; the caller may then send as many more. */
  taken(bytes: number): void;
  /** Nobody will read any more: what is queued and what comes is dropped. Safe twice. */
  discard(): void;
}

/** The run's log. */
export interface Output {
  /** Appends a chunk as it came, and keeps a copy: the chunk is the caller's again. Never blocks, never throws. */
  write(stream: OutputStream, chunk: Uint8Array): void;
  /** True while the disk is behind: stop reading from the work, and wait for `drained()`. */
  readonly full: boolean;
  drained(): Promise<void>;
  /** This stream is at its end: an unterminated last line becomes a line. Safe twice. */
  end(stream: OutputStream): void;
  /** The same log, for one part of the run, such as a job: its lines are whole lines of its own, told as this part's by the event `stream`. */
  part(name: string): Output;
}

export interface Events {
  /** Appends `{"type":type, ...facts}` to the log, at the present line. */
  emit(type: string, facts?: Readonly<Record<string, Json>>): void;
}

/** How a release ended: `how` when the thing is verified to be gone, `left` with the reason when it is not. */
export type Release = { readonly how: string } | { readonly left: string };

/** One thing that must be closed, as it stands in the journal. Everything needed to close it after a crash is in here. */
export interface ObligationEntry {
  readonly run: string;
  readonly kind: ObligationKind;
  readonly id: string;
  readonly facts: Readonly<Record<string, Json>>;
}

export interface Obligation {
  /** Adds what has become known (a pid, a container id) to the journal. */
  learn(facts: Readonly<Record<string, Json>>): void;
  /** While this promise is pending the thing may still be coming into being; the releaser is given it and waits for it. */
  during(flow: Promise<unknown>): void;
  /** Ends the thing now, by the run's stop policy, and verifies. Safe twice: the second call gives the same promise. */
  release(): Promise<Release>;
}

/** How a releaser is to go about it. */
export interface ReleaseManner {
  readonly stop: StopPolicy;
  /** Aborted when the rest of the grace is to be skipped. */
  readonly hurry: AbortSignal;
  /** Settles when nothing is coming into being any more. */
  readonly flow: Promise<unknown>;
}

/**
 * Ends the thing named by `entry` and looks whether it is gone. Works from the entry alone (after a crash there is nothing else), is safe
 * for things already gone or never begun, and may be called again after a failure. A throw counts as `left`.
 */
export type Releaser = (entry: ObligationEntry, manner: ReleaseManner) => Promise<Release>;

export interface RunPorts {
  readonly run: string;
  /** Aborted when the run is to stop; `reason` is a StopReason. Release is then already under way. */
  readonly signal: AbortSignal;
  readonly input: Input;
  readonly output: Output;
  readonly events: Events;
  readonly stop: StopPolicy;
  /** Journals an obligation. To be called before the thing is acquired. */
  owe(kind: ObligationKind, id: string, facts?: Readonly<Record<string, Json>>): Obligation;
  /** Tells of terminal size changes. At most one listener. */
  onResize(listener: (size: { cols: number; rows: number }) => void): void;
}

/** The reason a signal was aborted for; undefined while it is not. */
export function stopReason(signal: AbortSignal): StopReason | undefined {
  return signal.aborted ? (signal.reason as StopReason) : undefined;
}
