// A run without a gateway: ports that keep everything in memory, so that an engine can be driven and looked at in a test.

import type { StopPolicy } from '../../calls/contract/engines.ts';
import type {
  Obligation, ObligationEntry, OutputStream, Release, ReleaseManner, Releaser, RunPorts,
} from '../../calls/contract/ports.ts';
import type { Json, Left, ObligationKind, Receipt, Released, StopReason } from '../../protocol/record.ts';

export type Releasers = { readonly [kind in ObligationKind]?: Releaser };

export interface FakePortsOptions {
  readonly run?: string;
  readonly stop?: StopPolicy;
  /** For engines that release by themselves; `releaseWith` may name them later. */
  readonly releasers?: Releasers;
}

export interface FakeEvent {
  readonly type: string;
  readonly facts: Readonly<Record<string, Json>>;
}

/** One obligation as the journal has it: facts as learnt so far, and the flow it waits for. */
export interface FakeObligation {
  readonly entry: ObligationEntry;
  readonly obligation: Obligation;
}

export interface FakePorts {
  readonly ports: RunPorts;
  readonly output: FakeOutput;
  readonly input: FakeInput;
  readonly events: readonly FakeEvent[];
  readonly obligations: readonly FakeObligation[];
  /** Input as the caller sends it. */
  feed(bytes: string | Uint8Array): void;
  endInput(): void;
  /** Only aborts the run's signal, as a run does before it releases; the input ends with it. */
  abort(reason?: StopReason): void;
  /** Skips the rest of the grace in releases under way. */
  hurry(): void;
  resize(size: { cols: number; rows: number }): void;
  /** Resolves with the first event of this type, past ones included; rejects when `ms` are over. */
  event(type: string, ms?: number): Promise<FakeEvent>;
  /** Releases every obligation, last in first out, and gives the receipt. */
  releaseWith(releasers: Releasers): Promise<Receipt>;
}

let runs = 0;

export function fakePorts(options: FakePortsOptions = {}): FakePorts {
  const run = options.run ?? `test-${process.pid}-${(runs += 1)}`;
  const stop = options.stop ?? { signal: 'SIGTERM', graceMs: 2_000 };
  const stopping = new AbortController();
  const hurrying = new AbortController();
  const input = new FakeInput();
  const output = new FakeOutput();
  const events = new FakeEvents();
  const journal = new Journal(run, { stop, hurry: hurrying.signal }, options.releasers ?? {});
  let onResize: ((size: { cols: number; rows: number }) => void) | undefined;
  stopping.signal.addEventListener('abort', () => input.end());
  const ports: RunPorts = {
    run, stop, signal: stopping.signal, input, output, events,
    owe: (kind, id, facts) => journal.owe(kind, id, facts ?? {}),
    onResize: (listener) => { onResize = listener; },
  };
  return {
    ports, output, input, events: events.all, obligations: journal.all,
    feed: (bytes) => input.push(typeof bytes === 'string' ? Buffer.from(bytes) : bytes),
    endInput: () => input.end(),
    abort: (reason = 'cancelled') => stopping.abort(reason),
    hurry: () => hurrying.abort(),
    resize: (size) => onResize?.(size),
    event: (type, ms = 20_000) => events.first(type, ms),
    releaseWith: (releasers) => journal.releaseWith(releasers),
  };
}

class FakeInput {
  readonly #queue: Uint8Array[] = [];
  #ended = false;
  #wake: () => void = () => {};
  /** Bytes the engine said it has passed on. */
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
      else await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
  }
}

class FakeOutput {
  readonly #chunks: Record<OutputStream, Uint8Array[]> = { stdout: [], stderr: [] };
  readonly ended: Record<OutputStream, boolean> = { stdout: false, stderr: false };
  #watchers: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  /** Those that were asked for, by name. */
  readonly parts = new Map<string, FakeOutput>();
  readonly #whole: FakeOutput | undefined;
  #held = false;

  constructor(whole?: FakeOutput) {
    this.#whole = whole;
  }

  get full(): boolean {
    return this.#whole?.full ?? this.#held;
  }

  /** Its bytes are its own; the disk is that of the whole. */
  part(name: string): FakeOutput {
    const part = this.parts.get(name) ?? new FakeOutput(this.#whole ?? this);
    this.parts.set(name, part);
    return part;
  }

  write(stream: OutputStream, chunk: Uint8Array): void {
    this.#chunks[stream].push(Uint8Array.from(chunk));
    for (const look of this.#watchers) look();
  }

  end(stream: OutputStream): void {
    this.ended[stream] = true;
  }

  async drained(): Promise<void> {
    if (this.#whole !== undefined) return this.#whole.drained();
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Makes the disk fall behind, until `letGo`. */
  hold(): void {
    this.#held = true;
  }

  letGo(): void {
    this.#held = false;
    for (const go of this.#waiting.splice(0)) go();
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

  /** Resolves when the output of `stream` holds `text`; rejects when `ms` are over. */
  async has(text: string, stream: OutputStream = 'stdout', ms = 20_000): Promise<void> {
    await within<void>(ms, `${stream} has no "${text}"`, (done) => {
      const look = (): void => {
        if (!this.bytes(stream).includes(text)) return;
        this.#watchers = this.#watchers.filter((other) => other !== look);
        done();
      };
      this.#watchers.push(look);
      look();
    });
  }
}

class FakeEvents {
  readonly all: FakeEvent[] = [];
  #watchers: ((event: FakeEvent) => void)[] = [];

  emit(type: string, facts: Readonly<Record<string, Json>> = {}): void {
    const event = { type, facts };
    this.all.push(event);
    for (const tell of this.#watchers) tell(event);
  }

  async first(type: string, ms: number): Promise<FakeEvent> {
    const past = this.all.find((event) => event.type === type);
    if (past !== undefined) return past;
    return within(ms, `no event "${type}"`, (done) => {
      this.#watchers.push((event) => { if (event.type === type) done(event); });
    });
  }
}

class Journal {
  readonly all: FakeObligation[] = [];
  readonly #run: string;
  readonly #manner: Omit<ReleaseManner, 'flow'>;
  #releasers: Releasers;

  constructor(run: string, manner: Omit<ReleaseManner, 'flow'>, releasers: Releasers) {
    this.#run = run;
    this.#manner = manner;
    this.#releasers = releasers;
  }

  owe(kind: ObligationKind, id: string, facts: Readonly<Record<string, Json>>): Obligation {
    const entry = { run: this.#run, kind, id, facts: { ...facts } };
    const flows: Promise<unknown>[] = [];
    let released: Promise<Release> | undefined;
    const obligation: Obligation = {
      learn: (more) => { Object.assign(entry.facts, more); },
      during: (flow) => { flows.push(flow); },
      release: () => (released ??= this.#release(entry, Promise.allSettled(flows))),
    };
    this.all.push({ entry, obligation });
    return obligation;
  }

  async releaseWith(releasers: Releasers): Promise<Receipt> {
    this.#releasers = releasers;
    const released: Released[] = [];
    const left: Left[] = [];
    for (const { entry, obligation } of [...this.all].reverse()) {
      const begun = performance.now();
      const end = await obligation.release();
      const { kind, id } = entry;
      if ('how' in end) released.push({ kind, id, how: end.how, ms: Math.round(performance.now() - begun) });
      else left.push({ kind, id, why: end.left });
    }
    return { clean: left.length === 0, released, left };
  }

  async #release(entry: ObligationEntry, flow: Promise<unknown>): Promise<Release> {
    const releaser = this.#releasers[entry.kind];
    if (releaser === undefined) return { left: `no releaser for "${entry.kind}"` };
    try {
      return await releaser(entry, { ...this.#manner, flow });
    } catch (error) {
      return { left: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function within<T>(ms: number, otherwise: string, start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${otherwise} within ${ms} ms`)), ms);
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
