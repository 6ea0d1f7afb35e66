// Ports of a run in memory, to test an engine without a gateway.

import type { StopPolicy } from '../../../calls/contract/engines.ts';
import type {
  Events,
  Obligation,
  ObligationEntry,
  OutputStream,
  PartOptions,
  Release,
  ReleaseOptions,
  Releaser,
  RunPorts,
} from '../../../calls/contract/ports.ts';
import type { Json, Left, ObligationKind, Receipt, Released, StopReason } from '../../../protocol/run-record.ts';
import { outputCutEvent, receiptLine } from '../../../server/runs/cleanup.ts';
import { deferred } from '../../../server/support/deferred.ts';

export type Releasers = { readonly [kind in ObligationKind]?: Releaser };

export interface FakePortsOptions {
  readonly run?: string;
  readonly stop?: StopPolicy;
  /** Releasers for obligations that the engine itself releases. `releaseAll` replaces them. */
  readonly releasers?: Releasers;
}

export interface FakeEvent {
  readonly type: string;
  readonly facts: Readonly<Record<string, Json>>;
}

/** An obligation with its current journal entry. With `outlivesStop`, it is released only at the end of the run. */
export interface FakeObligation {
  readonly entry: ObligationEntry;
  readonly obligation: Obligation;
  readonly outlivesStop: boolean;
}

export interface FakePorts {
  readonly ports: RunPorts;
  readonly output: FakeOutput;
  readonly input: FakeInput;
  readonly events: readonly FakeEvent[];
  readonly obligations: readonly FakeObligation[];
  /** Sends input as a client does. */
  sendInput(bytes: string | Uint8Array): void;
  endInput(): void;
  /** Aborts the signal and ends the input, as a run does before it releases. */
  abort(reason?: StopReason): void;
  /** Aborts the signal of work that continues after a stop, as a run does when the time limit of that work is over. */
  abortFinal(): void;
  /** Skips the rest of the grace of all releases, and aborts the work that continues after a stop. */
  forceStop(): void;
  resize(size: { cols: number; rows: number }): void;
  /** Resolves with the first event of this type, earlier ones included. Rejects after `ms`. */
  waitForEvent(type: string, ms?: number): Promise<FakeEvent>;
  /** Releases every obligation, last in first out; with `stop`, only those that do not outlive a stop. */
  releaseAll(releasers: Releasers, when?: 'stop' | 'end'): Promise<Receipt>;
}

let runs = 0;

export function fakePorts(options: FakePortsOptions = {}): FakePorts {
  const run = options.run ?? `test-${process.pid}-${(runs += 1)}`;
  const stop = options.stop ?? { signal: 'SIGTERM', graceMs: 2_000 };
  const stopping = new AbortController();
  const forced = new AbortController();
  const final = new AbortController();
  const input = new FakeInput();
  const output = new FakeOutput();
  const events = new FakeEvents();
  const journal = new FakeJournal({
    run,
    events,
    options: { stop, force: forced.signal },
    releasers: options.releasers ?? {},
  });
  let onResize: ((size: { cols: number; rows: number }) => void) | undefined;
  stopping.signal.addEventListener('abort', () => input.end());
  const ports: RunPorts = {
    run,
    stop,
    signal: stopping.signal,
    input,
    output,
    events,
    openObligation: (kind, id, facts) => journal.openObligation(kind, id, { facts: facts ?? {}, outlivesStop: false }),
    afterStop: () => ({
      ...ports,
      signal: final.signal,
      openObligation: (kind, id, facts) => journal.openObligation(kind, id, { facts: facts ?? {}, outlivesStop: true }),
    }),
    onResize: (listener) => {
      onResize = listener;
    },
  };
  return {
    ports,
    output,
    input,
    events: events.all,
    obligations: journal.all,
    sendInput: (bytes) => input.push(typeof bytes === 'string' ? Buffer.from(bytes) : bytes),
    endInput: () => input.end(),
    abort: (reason = 'cancelled') => stopping.abort(reason),
    abortFinal: () => final.abort(),
    forceStop: () => {
      forced.abort();
      final.abort();
    },
    resize: (size) => onResize?.(size),
    waitForEvent: (type, ms = 30_000) => events.first(type, ms),
    releaseAll: (releasers, when = 'end') => journal.releaseAll(releasers, when),
  };
}

class FakeInput {
  readonly #queue: Uint8Array[] = [];
  #ended = false;
  #wake: () => void = () => {};
  /** Number of bytes that the engine has acknowledged. */
  takenBytes = 0;
  discarded = false;

  push(bytes: Uint8Array): void {
    if (this.#ended || this.discarded) return;
    this.#queue.push(bytes);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  taken(bytes: number): void {
    this.takenBytes += bytes;
  }

  discard(): void {
    this.discarded = true;
    this.#queue.length = 0;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) yield next;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

class FakeOutput {
  readonly #chunks: Record<OutputStream, Uint8Array[]> = { stdout: [], stderr: [] };
  readonly ended: Record<OutputStream, boolean> = { stdout: false, stderr: false };
  #listeners: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  /** Parts that the engine has requested, by name. */
  readonly parts = new Map<string, FakeOutput>();
  readonly #parent: FakeOutput | undefined;
  #blocked = false;

  constructor(whole?: FakeOutput) {
    this.#parent = whole;
  }

  get full(): boolean {
    return this.#parent?.full ?? this.#blocked;
  }

  /**
   * Returns a part of this output: it collects its own bytes, and is blocked while the whole output is blocked. With
   * `repeated`, returns this output itself.
   */
  part(name: string, { repeated }: PartOptions = {}): FakeOutput {
    if (repeated) return this;
    const part = this.parts.get(name) ?? new FakeOutput(this.#parent ?? this);
    this.parts.set(name, part);
    return part;
  }

  write(stream: OutputStream, chunk: Uint8Array): void {
    this.#chunks[stream].push(Uint8Array.from(chunk));
    for (const notify of this.#listeners) notify();
  }

  end(stream: OutputStream): void {
    this.ended[stream] = true;
  }

  async drained(): Promise<void> {
    if (this.#parent !== undefined) return this.#parent.drained();
    if (this.#blocked) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Makes the output full until `unblock`, as a slow disk does. */
  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    for (const resume of this.#waiting.splice(0)) resume();
  }

  bytes(stream: OutputStream): Buffer {
    return Buffer.concat(this.#chunks[stream]);
  }

  stdout(): string {
    return this.bytes('stdout').toString();
  }

  stderr(): string {
    return this.bytes('stderr').toString();
  }

  /** Resolves when `stream` contains `text`. Rejects after `ms`. */
  async waitForText(text: string, stream: OutputStream = 'stdout', ms = 30_000): Promise<void> {
    await waitWithDeadline<void>(ms, `${stream} has no "${text}"`, (done) => {
      const resolveIfFound = (): void => {
        if (!this.bytes(stream).includes(text)) return;
        this.#listeners = this.#listeners.filter((other) => other !== resolveIfFound);
        done();
      };
      this.#listeners.push(resolveIfFound);
      resolveIfFound();
    });
  }
}

class FakeEvents {
  readonly all: FakeEvent[] = [];
  #listeners: ((event: FakeEvent) => void)[] = [];

  emit(type: string, facts: Readonly<Record<string, Json>> = {}): void {
    const event = { type, facts };
    this.all.push(event);
    for (const notify of this.#listeners) notify(event);
  }

  async first(type: string, ms: number): Promise<FakeEvent> {
    const earlier = this.all.find((event) => event.type === type);
    if (earlier !== undefined) return earlier;
    return waitWithDeadline(ms, `no event "${type}"`, (done) => {
      this.#listeners.push((event) => {
        if (event.type === type) done(event);
      });
    });
  }
}

interface FakeJournalDeps {
  readonly run: string;
  readonly events: Events;
  readonly options: Omit<ReleaseOptions, 'pending'>;
  readonly releasers: Releasers;
}

class FakeJournal {
  readonly all: FakeObligation[] = [];
  readonly #run: string;
  readonly #events: Events;
  readonly #options: Omit<ReleaseOptions, 'pending'>;
  #releasers: Releasers;

  constructor({ run, events, options, releasers }: FakeJournalDeps) {
    this.#run = run;
    this.#events = events;
    this.#options = options;
    this.#releasers = releasers;
  }

  openObligation(
    kind: ObligationKind,
    id: string,
    { facts, outlivesStop }: { readonly facts: FakeEvent['facts']; readonly outlivesStop: boolean },
  ): Obligation {
    const entry = { run: this.#run, kind, id, facts: { ...facts } };
    const creations: Promise<unknown>[] = [];
    let releasing: Promise<Release> | undefined;
    const released = deferred<Release>();
    const obligation: Obligation = {
      update: (more) => {
        Object.assign(entry.facts, more);
      },
      reportOutputCut: (cut) => {
        Object.assign(entry.facts, { outputCut: cut });
        const event = outputCutEvent(entry, cut);
        this.#events.emit(event.type, event.facts);
      },
      pendingUntil: (creation) => {
        creations.push(creation);
      },
      release: () => {
        releasing ??= this.#release(entry, Promise.allSettled(creations));
        void releasing.then(released.resolve);
        return releasing;
      },
      released: released.promise,
    };
    this.all.push({ entry, obligation, outlivesStop });
    return obligation;
  }

  async releaseAll(releasers: Releasers, when: 'stop' | 'end'): Promise<Receipt> {
    this.#releasers = releasers;
    const released: Released[] = [];
    const left: Left[] = [];
    for (const { entry, obligation, outlivesStop } of [...this.all].reverse()) {
      if (outlivesStop && when === 'stop') continue;
      const startedAt = performance.now();
      const end = await obligation.release();
      const line = receiptLine(entry);
      if ('how' in end) released.push({ ...line, how: end.how, ms: Math.round(performance.now() - startedAt) });
      else left.push({ ...line, why: end.left });
    }
    return { clean: left.length === 0, released, left };
  }

  async #release(entry: ObligationEntry, pending: Promise<unknown>): Promise<Release> {
    const releaser = this.#releasers[entry.kind];
    if (releaser === undefined) return { left: `no releaser for "${entry.kind}"` };
    try {
      return await releaser(entry, { ...this.#options, pending });
    } catch (error) {
      return { left: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function waitWithDeadline<T>(ms: number, problem: string, start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${problem} within ${ms} ms`)), ms);
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
