// Connects a session to a run: sends its log from a cursor, and passes on input, presence and stop requests.

import type { TextForm } from '../../protocol/dialects/dialect.ts';
import type { InputMessage, NoticeCode, RunAnnouncement, TerminalSize } from '../../protocol/messages.ts';
import type { RunRecord } from '../../protocol/run-record.ts';
import { invalidSizeText } from '../../protocol/terminal-size.ts';
import type { InputLease } from '../runs/input/run-input.ts';
import { beginning, type Cursor } from '../runs/log/position.ts';
import type { LocateResult } from '../runs/log/storage/locate.ts';
import type { LogFormat } from '../runs/log/storage/read-page.ts';
import type { AttachedRun } from '../runs/runs.ts';
import { RawWatcher, type RawWatcherOptions, type TextSink } from '../runs/views/raw-watcher.ts';
import type { ClientPresence } from '../runs/views/run-view.ts';
import { type LogSink, Watcher } from '../runs/views/watcher.ts';
import type { InputFrame } from './early-input.ts';

export interface RunAttachmentOptions {
  readonly attached: AttachedRun;
  readonly text: TextForm;
  readonly sink: LogSink & TextSink & { sendsBytes: boolean };
  /** Limits of a chunk of raw text. */
  readonly limits: Pick<RawWatcherOptions, 'chunkMs' | 'chunkBytesMax'>;
  /** Where to start. Absent: at the beginning. */
  readonly cursor?: Cursor | undefined;
  /** True if the session started the run; false if it attached. */
  readonly owns: boolean;
  /** True if the session requests the input lease. */
  readonly writesInput: boolean;
  /** True if the client exchanges bytes where the call declares them. */
  readonly bytes: boolean;
  readonly listener: AttachmentListener;
}

/**
 * Callbacks of the session. After `onRunEnded`, `onLogUnreadable`, `onRejected` or a call of `detach`, none is called
 * again.
 */
export interface AttachmentListener {
  onAnnouncement(message: RunAnnouncement): void;
  onCredit(message: InputMessage): void;
  onNotice(code: NoticeCode, message: string): void;
  onInputOverflow(): void;
  /** Called when the run has ended and the sink has received everything. */
  onRunEnded(record: RunRecord): void;
  onLogUnreadable(error: unknown): void;
  /** Called if the run could not be stored, so it does not exist. */
  onRejected(error: unknown): void;
}

const newline = Buffer.from('\n');
const readOnlyText = 'this session may watch the run but not write its input';

export class RunAttachment {
  readonly #options: RunAttachmentOptions;
  readonly #logFormat: LogFormat;
  readonly #bytes: readonly ('input' | 'output')[];
  readonly #presence: ClientPresence | undefined;
  /** Aborts the conversion of the cursor to a position. */
  #locating: AbortController | undefined;
  #closed = false;
  readonly #sentNotices = new Set<NoticeCode>();
  #input: InputLease | undefined;
  #watcher: Pick<Watcher, 'position' | 'wake' | 'stop'> | undefined;
  #removeStateListener: () => void = () => {};

  constructor(options: RunAttachmentOptions) {
    const {
      attached: { run, activeRun, mayControl },
      text,
    } = options;
    this.#options = options;
    this.#bytes = text === 'as-run' && options.bytes ? (run.byteDirections ?? []) : [];
    options.sink.sendsBytes = this.#bytes.includes('output');
    // A client that does not expect bytes receives them as lines.
    const asRun = run.log.exact && !options.sink.sendsBytes ? 'lines' : run.log.format;
    this.#logFormat = text === 'as-run' ? asRun : text;
    // A client that may not control the run does not count as connected to it.
    this.#presence = mayControl ? activeRun?.connectClient(options.owns ? 'owner' : 'guest') : undefined;
  }

  /** Announces the run and sends its log from the cursor on. Call it once. */
  start(): void {
    const {
      attached: { activeRun, mayControl },
      cursor,
      writesInput,
      listener,
    } = this.#options;
    if (writesInput && mayControl) this.#acquireInput();
    const persisted = activeRun?.persisted ?? Promise.resolve();
    persisted.then(
      () => this.#locate(cursor),
      (error: unknown) => {
        if (!this.#closed) listener.onRejected(error);
      },
    );
    if (writesInput && !mayControl) this.#sendNotice('read-only', readOnlyText);
  }

  /** Takes the input lease from the session that holds it, if any. */
  requestInput(): void {
    const { attached, listener } = this.#options;
    if (!attached.mayControl) return this.#sendNotice('read-only', readOnlyText);
    if (this.#input !== undefined) return;
    this.#acquireInput();
    // The session can lose the lease again, and then the client must receive these notices again.
    this.#sentNotices.delete('input-taken');
    this.#sentNotices.delete('read-only');
    // If the first announcement has not been sent yet, it will report the lease.
    if (this.#watcher === undefined || this.#input === undefined) return;
    this.#announce(attached.run.record);
    const { taken, received } = this.#input as InputLease;
    listener.onCredit({ input: { taken, received } });
  }

  #acquireInput(): void {
    const {
      attached: { activeRun },
      listener,
    } = this.#options;
    this.#input = activeRun?.acquireInput({
      overflowed: () => listener.onInputOverflow(),
      taken: (taken) => listener.onCredit({ input: { taken } }),
      superseded: () => this.#onInputSuperseded(),
    });
  }

  #locate(cursor: Cursor | undefined): void {
    if (this.#closed) return;
    if (cursor === undefined) return this.#watch({ position: beginning });
    const {
      attached: { run },
      listener,
    } = this.#options;
    this.#locating = new AbortController();
    run.log
      .locateWithSource(cursor, this.#logFormat, this.#locating.signal)
      .then((location) => this.#watch(location))
      .catch((error: unknown) => {
        if (!this.#closed) listener.onLogUnreadable(error);
      });
  }

  /** Number of the next line that this client will receive; with the format `raw`, number of the next byte. */
  get next(): number {
    const { position } = this.#watcher ?? {};
    if (position === undefined) return 1;
    return 1 + (this.#logFormat === 'raw' ? position.byte : position.line);
  }

  /** Resumes the watcher after the sink has drained. */
  wake(): void {
    this.#watcher?.wake();
  }

  writeInput({ bytes, isLine }: InputFrame): void {
    if (this.#input === undefined) return this.#notifyReadOnly();
    const { text, listener } = this.#options;
    const verbatim = !isLine || text === 'raw' || (text === 'as-run' && this.#isTerminal);
    if (!this.#input.push(verbatim ? bytes : Buffer.concat([bytes, newline]))) listener.onInputOverflow();
  }

  /** True if the session receives the characters of a terminal. */
  get #isTerminal(): boolean {
    return this.#logFormat === 'raw' && !this.#options.attached.run.log.exact;
  }

  /** Resolves when the disk can store more input; undefined while it is not behind. */
  inputDrained(): Promise<void> | undefined {
    return this.#input?.full === true ? this.#input.drained() : undefined;
  }

  closeInput(): void {
    if (this.#input === undefined) this.#notifyReadOnly();
    else this.#input.end();
  }

  /** `size` is undefined if the client has sent a size that no terminal can have. */
  resize(size: TerminalSize | undefined): void {
    if (size === undefined) return this.#sendNotice('invalid-size', invalidSizeText);
    // Ignore the size of other clients: only the session that writes input determines the terminal size.
    if (this.#input !== undefined) this.#options.attached.activeRun?.resize(size);
  }

  /** Requests that the run stops. If the run is already being cancelled, skips the rest of the grace. */
  requestStop(): void {
    const { activeRun, mayControl } = this.#options.attached;
    if (!mayControl) return this.#sendNotice('read-only', 'this session may watch the run but not stop it');
    if (activeRun?.record.state === 'cancelling') activeRun.forceStop();
    else activeRun?.stop('cancelled');
  }

  /** Detaches from the run. If the call does not allow that, sends a notice to the client and returns false. */
  requestDetach(): boolean {
    if (this.#presence === undefined || this.#presence.detach()) return true;
    this.#sendNotice(
      'detach-refused',
      'this call does not allow detach; to allow it, declare "onDisconnect: { allow: [detach] }"',
    );
    return false;
  }

  /** Disconnects from the run, whose disconnect policy then applies. Idempotent. */
  detach(): void {
    this.#closed = true;
    this.#locating?.abort();
    this.#presence?.disconnected();
    this.#input?.release();
    this.#input = undefined;
    this.#removeStateListener();
    this.#watcher?.stop();
  }

  #watch({ position: from, sourceEvent }: LocateResult): void {
    if (this.#closed) return;
    const {
      attached: { run },
      text,
      sink,
      limits,
      cursor,
      listener,
    } = this.#options;
    const onEnd = (): void =>
      void run.ended.then((record) => {
        if (!this.#closed) listener.onRunEnded(record);
      });
    const onError = (error: unknown): void => listener.onLogUnreadable(error);
    // Raw text always starts at the beginning, because its dialect cannot resume.
    const watcher =
      text === 'raw'
        ? new RawWatcher(run.log, sink, { ...limits, onEnd, onError })
        : new Watcher(run.log, sink, { format: this.#logFormat, from, onEnd, onError });
    this.#watcher = watcher;
    this.#removeStateListener = run.onState((record) => this.#announce(record));
    this.#announce(run.record);
    const { received = 0, taken = 0 } = this.#input ?? {};
    if (this.#input !== undefined && (cursor !== undefined || received > 0))
      listener.onCredit({ input: { taken, received } });
    if (sourceEvent !== undefined) sink.event(sourceEvent);
    watcher.wake();
  }

  #announce({ id, call, state }: RunRecord): void {
    const terminal = this.#isTerminal;
    const input = this.#input !== undefined;
    const bytes = this.#bytes;
    this.#options.listener.onAnnouncement({
      run: {
        id,
        call,
        state,
        next: this.next,
        ...(terminal && { terminal }),
        ...(input && { input }),
        ...(bytes.length > 0 && { bytes }),
      },
    });
  }

  #onInputSuperseded(): void {
    this.#input = undefined;
    this.#sendNotice('input-taken', 'another session took over the input of the run');
  }

  /** Sends nothing if the run has ended: writing to an ended run is not the client's error. */
  #notifyReadOnly(): void {
    if (this.#options.attached.activeRun === undefined || this.#sentNotices.has('input-taken')) return;
    this.#sendNotice('read-only', 'this session cannot write input; attach with "input":true first');
  }

  /** Sends each notice only once, because a client could cause any number of them. */
  #sendNotice(code: NoticeCode, message: string): void {
    if (code !== 'detach-refused' && this.#sentNotices.has(code)) return;
    this.#sentNotices.add(code);
    this.#options.listener.onNotice(code, message);
  }
}
