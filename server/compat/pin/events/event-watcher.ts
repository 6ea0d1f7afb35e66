// A cursor in the event log that delivers whole events: new events from memory, older events rebuilt from the files.

import { type OutputEntry, readText } from '../../../runs/log/entry.ts';
import type { Position } from '../../../runs/log/position.ts';
import { Watcher } from '../../../runs/views/watcher.ts';
import type { EventBatch, EventGap, EventLog } from './event-log.ts';
import { EventRebuilder } from './event-rebuilder.ts';

export interface EventSink {
  events(batch: EventBatch): void;
  /** Receives the numbers of events that are no longer stored. Both ends are inclusive. */
  gap(from: number, to: number): void;
  /**
   * True while the sink accepts no more events. When it accepts events again, its owner calls `wake` of the watcher.
   */
  readonly full: boolean;
}

export interface EventWatcherOptions {
  readonly from: Position;
  /** Skips the output of all other runs without reading it. */
  readonly run?: string;
  /** Called when the sink has received all events of the ended log. No other callback follows. */
  readonly onEnd: () => void;
  /** Called if a log cannot be read. No other callback follows. */
  readonly onError: (error: unknown) => void;
}

export class EventWatcher {
  readonly #eventLog: EventLog;
  readonly #sink: EventSink;
  readonly #options: EventWatcherOptions;
  readonly #watcher: Watcher;
  readonly #rebuilder: EventRebuilder;
  #rebuilding = false;
  #stopped = false;
  /** A gap that is not delivered yet, because the events after it can be missing, too. */
  #gap: EventGap | undefined;
  #onWake: () => void = () => {};

  constructor(eventLog: EventLog, sink: EventSink, options: EventWatcherOptions) {
    this.#eventLog = eventLog;
    this.#sink = sink;
    this.#options = options;
    this.#rebuilder = new EventRebuilder(eventLog, options.run);
    const watcher = this;
    this.#watcher = new Watcher(
      eventLog.log,
      {
        output: (entry) => this.#output(entry),
        event: () => {},
        gap: (from, to) => this.#addGap({ from, to }),
        get full() {
          return watcher.#rebuilding || sink.full;
        },
      },
      { format: 'lines', from: options.from, onEnd: options.onEnd, onError: options.onError },
    );
  }

  /** Continues if the sink accepts events. Idempotent. Never throws. */
  wake(): void {
    this.#onWake();
    this.#watcher.wake();
  }

  /** Stops delivering. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#watcher.stop();
    this.#onWake();
  }

  #output(entry: OutputEntry): void {
    const batch = this.#eventLog.inMemory(entry);
    if (batch !== undefined) return this.#deliver(batch);
    this.#rebuilding = true;
    // The bytes of the entry are valid only until this method returns, so copy them.
    this.#rebuild(entry.start.line + 1, Buffer.from(readText(entry))).catch((error: unknown) => this.#fail(error));
  }

  async #rebuild(first: number, lines: Buffer): Promise<void> {
    for await (const part of this.#rebuilder.rebuild(first, lines)) {
      if (this.#stopped) return;
      if ('from' in part) this.#addGap(part);
      else this.#deliver(part);
      await this.#waitForSink();
    }
    if (this.#stopped) return;
    this.#deliverGap();
    this.#rebuilding = false;
    this.#watcher.wake();
  }

  async #waitForSink(): Promise<void> {
    while (this.#sink.full && !this.#stopped)
      await new Promise<void>((resolve) => {
        this.#onWake = resolve;
      });
  }

  #deliver(batch: EventBatch): void {
    this.#deliverGap();
    if (!this.#stopped) this.#sink.events(batch);
  }

  #addGap({ from, to }: EventGap): void {
    const joins = this.#gap?.to === from - 1;
    if (!joins) this.#deliverGap();
    this.#gap = { from: joins ? this.#gap!.from : from, to };
    if (to >= this.#eventLog.count) this.#deliverGap();
  }

  #deliverGap(): void {
    const gap = this.#gap;
    this.#gap = undefined;
    if (gap !== undefined && !this.#stopped) this.#sink.gap(gap.from, gap.to);
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onError(error);
  }
}
