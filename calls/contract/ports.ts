// Types of what an engine receives from the run it works for: input, output, events and obligations. Engines know
// nothing else about runs.

import type { Json, ObligationKind, OutputCut } from '../../protocol/run-record.ts';
import type { StopPolicy } from './engines.ts';

export type OutputStream = 'stdout' | 'stderr';

/** Bytes for the work, in the order the caller sent them. Ends when the caller ends the input or the run ends. */
export interface Input extends AsyncIterable<Uint8Array> {
  /** Reports that the work has read `bytes` of input. The caller may then send the same amount again. */
  taken(bytes: number): void;
  /** Drops all queued and all further input. Idempotent. */
  discard(): void;
}

export interface PartOptions {
  readonly repeated?: true;
}

/** The run's log, as far as an engine uses it. */
export interface Output {
  /** Appends a copy of the chunk, so the caller can reuse its buffer. Never blocks or throws. */
  write(stream: OutputStream, chunk: Uint8Array): void;
  /** True while the disk is behind: stop reading from the work and await `drained()`. */
  readonly full: boolean;
  drained(): Promise<void>;
  /** Ends the stream. An unfinished last line becomes a line. Idempotent. */
  end(stream: OutputStream): void;
  /**
   * Returns the same log for one part: a job of the run, or a service of the job. Lines of a part never mix with
   * others; the event `stream` names the part. Clients show lines of services on request only.
   *
   * With `repeated`, lines written to the result belong to the part on which this is called. They repeat lines that the
   * part `name` has already printed. Clients that have shown those lines leave out the copies.
   */
  part(name: string, options?: PartOptions): Output;
  /** True if the log stores the bytes of the work unchanged, instead of lines of valid UTF-8. */
  readonly exact?: boolean;
}

export interface Events {
  /** Appends the event `{"type":type, ...fields}` to the log at the current line. */
  emit(type: string, fields?: Readonly<Record<string, Json>>): void;
}

/** Result of a release: `how` the obligation ended if it is verified to be gone, otherwise why something is `left`. */
export type Release = { readonly how: string } | { readonly left: string };

/** One obligation as the journal stores it, with everything needed to release it after a crash. */
export interface ObligationEntry {
  readonly run: string;
  readonly kind: ObligationKind;
  readonly id: string;
  readonly facts: Readonly<Record<string, Json>>;
}

export interface Obligation {
  /** Adds newly known fields (a pid, a container id) to the journal. */
  update(facts: Readonly<Record<string, Json>>): void;
  /**
   * Reports that output of the obligation is missing: emits the event, and adds the reason to the obligation's line in
   * the receipt. May be called after the release.
   */
  reportOutputCut(cut: OutputCut): void;
  /** Marks the creation as in progress until the promise settles. A release waits for that promise. */
  pendingUntil(creation: Promise<unknown>): void;
  /**
   * Releases the obligation by the run's stop policy and verifies that it is gone. Idempotent: returns the same
   * promise.
   */
  release(): Promise<Release>;
  /** Resolves when the release has ended. Does not start it. */
  readonly released: Promise<Release>;
}

/** Options of a release. */
export interface ReleaseOptions {
  readonly stop: StopPolicy;
  /** Aborted when the rest of the grace is to be skipped. */
  readonly force: AbortSignal;
  /**
   * Settles when nothing of the obligation is still being created. After that, the `facts` of the entry are complete.
   */
  readonly pending: Promise<unknown>;
}

/**
 * Releases the obligation of `entry` and verifies that it is gone. Needs only the entry, because nothing else survives
 * a crash. Idempotent: also succeeds if the obligation is gone or was never created. An error counts as `left`.
 */
export type Releaser = (entry: ObligationEntry, options: ReleaseOptions) => Promise<Release>;

export interface RunPorts {
  readonly run: string;
  /**
   * Aborted when the run has to stop; `reason` is a StopReason. By then, the release of the run's obligations has
   * begun.
   */
  readonly signal: AbortSignal;
  readonly input: Input;
  readonly output: Output;
  readonly events: Events;
  readonly stop: StopPolicy;
  /** Records an obligation in the journal. Call this before creating what the obligation stands for. */
  openObligation(kind: ObligationKind, id: string, facts?: Readonly<Record<string, Json>>): Obligation;
  /**
   * Returns ports for work that continues after the run is stopped, such as jobs with `when: always`. The `signal` of
   * these ports is aborted `alwaysJobsMs` after the grace of the run, or as soon as a client cancels again. Until then,
   * the stop does not release what was opened through these ports. Call this before the work starts. Idempotent:
   * returns the same ports.
   */
  afterStop(): RunPorts;
  /** Sets the only listener for changes of the terminal size. */
  onResize(listener: (size: { cols: number; rows: number }) => void): void;
}
