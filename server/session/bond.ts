// What ties a session to its run: it watches from a cursor, and may stay with it, feed it and stop it.

import type { TextForm } from '../../protocol/dialects/dialect.ts';
import type { InputMessage, NoticeCode, RunAnnouncement, TerminalSize } from '../../protocol/messages.ts';
import type { RunRecord, StopReason } from '../../protocol/record.ts';
import type { InputHold } from '../runs/input.ts';
import type { Found } from '../runs/log/locate.ts';
import { beginning, type Cursor } from '../runs/log/position.ts';
import type { Shape } from '../runs/log/page.ts';
import type { Attached } from '../runs/runs.ts';
import type { Stay } from '../runs/watchable.ts';
import { RawWatcher, type RawWatcherOptions } from '../runs/raw-watcher.ts';
import { Watcher, type Outlet } from '../runs/watcher.ts';

export interface BondParts {
  readonly attached: Attached;
  readonly text: TextForm;
  readonly outlet: Outlet;
  /** Of raw text. */
  readonly limits: Pick<RawWatcherOptions, 'chunkMs' | 'chunkBytesMax'>;
  /** Absent: the beginning. */
  readonly cursor?: Cursor | undefined;
  /** The session asked for the run, and did not only attach to it. */
  readonly owns: boolean;
  /** The session wants to feed the run. */
  readonly feeds: boolean;
  readonly tell: BondNews;
}

/** What the session hears. Nothing after `over`, `unreadable`, `refused`, or the bond is loosened. */
export interface BondNews {
  announce(message: RunAnnouncement): void;
  credit(message: InputMessage): void;
  notice(code: NoticeCode, message: string): void;
  overflow(): void;
  /** The run is over, and the outlet has everything. */
  over(record: RunRecord): void;
  unreadable(error: unknown): void;
  /** The disk has refused the run: there is none. */
  refused(error: unknown): void;
}

const newline = Buffer.from('\n');

export class Bond {
  readonly #parts: BondParts;
  readonly #shape: Shape;
  readonly #stay: Stay | undefined;
  /** Looks for the place of the cursor. */
  #seeking: AbortController | undefined;
  #isLoose = false;
  readonly #noticed = new Set<NoticeCode>();
  #input: InputHold | undefined;
  #watcher: Pick<Watcher, 'position' | 'wake' | 'stop'> | undefined;
  #unlisten: () => void = () => {};

  constructor(parts: BondParts) {
    const { attached: { run, live, mayControl }, text } = parts;
    this.#parts = parts;
    this.#shape = text === 'as-run' ? run.log.shape : text;
    // Who may not stop a run does not keep it going either.
    this.#stay = mayControl ? live?.stay(parts.owns ? 'owner' : 'guest') : undefined;
  }

  /** Announces the run, and tells it from the cursor on. To be called once. */
  begin(): void {
    const { attached: { live, mayControl }, cursor, feeds, tell } = this.#parts;
    if (feeds && mayControl) this.#input = live?.takeInput({
      overflow: () => tell.overflow(),
      taken: (taken) => tell.credit({ input: { taken } }),
      lost: () => this.#inputLost(),
    });
    const kept = live?.kept ?? Promise.resolve();
    kept.then(() => this.#find(cursor), (error: unknown) => { if (!this.#isLoose) tell.refused(error); });
    if (feeds && !mayControl) this.#notice('read-only', 'this session may watch the run, and not feed it');
  }

  #find(cursor: Cursor | undefined): void {
    if (this.#isLoose) return;
    if (cursor === undefined) return this.#follow({ place: beginning });
    const { attached: { run }, tell } = this.#parts;
    this.#seeking = new AbortController();
    run.log.find(cursor, this.#shape, this.#seeking.signal).then((found) => this.#follow(found)).catch((error: unknown) => {
      if (!this.#isLoose) tell.unreadable(error);
    });
  }

  /** Number of the next line, or of raw text the next byte, that this client will get. */
  get next(): number {
    const { position } = this.#watcher ?? {};
    if (position === undefined) return 1;
    return 1 + (this.#shape === 'raw' ? position.byte : position.line);
  }

  /** The outlet takes more. */
  wake(): void {
    this.#watcher?.wake();
  }

  feed(text: Buffer): void {
    if (this.#input === undefined) return this.#notFeeding();
    const verbatim = this.#parts.text === 'raw' || (this.#parts.text === 'as-run' && this.#shape === 'raw');
    if (!this.#input.push(verbatim ? text : Buffer.concat([text, newline]))) this.#parts.tell.overflow();
  }

  endInput(): void {
    if (this.#input === undefined) this.#notFeeding();
    else this.#input.end();
  }

  resize(size: TerminalSize): void {
    // Several screens cannot all be right: that of the one who types is.
    if (this.#input !== undefined) this.#parts.attached.live?.resize(size);
  }

  /** Of a session that has not started the run. A second time skips the rest of the grace. */
  ask(): void {
    const { live, mayControl } = this.#parts.attached;
    if (!mayControl) return this.#notice('read-only', 'this session may watch the run, and not stop it');
    if (live?.record.state === 'cancelling') live.hurry();
    else live?.stop('cancelled');
  }

  stop(reason: StopReason, message?: string): void {
    this.#parts.attached.live?.stop(reason, message);
  }

  hurry(): void {
    this.#parts.attached.live?.hurry();
  }

  /** False, and the client is told, when the call does not allow its clients to leave. */
  detach(): boolean {
    if (this.#stay === undefined || this.#stay.detach()) return true;
    this.#notice('detach-refused', 'this call does not allow its clients to leave; "onDisconnect: { allow: [detach] }" in its declaration would');
    return false;
  }

  /** The client is gone, or the session is over. Safe twice. */
  loosen(): void {
    this.#isLoose = true;
    this.#seeking?.abort();
    this.#stay?.lose();
    this.#input?.release();
    this.#input = undefined;
    this.#unlisten();
    this.#watcher?.stop();
  }

  #follow({ place: from, told }: Found): void {
    if (this.#isLoose) return;
    const { attached: { run }, text, outlet, limits, cursor, tell } = this.#parts;
    const onEnd = (): void => void run.ended.then((record) => { if (!this.#isLoose) tell.over(record); });
    const onError = (error: unknown): void => tell.unreadable(error);
    // Raw text is told from the beginning only: that dialect cannot resume.
    const watcher = text === 'raw'
      ? new RawWatcher(run.log, outlet, { ...limits, onEnd, onError })
      : new Watcher(run.log, outlet, { shape: this.#shape, from, onEnd, onError });
    this.#watcher = watcher;
    this.#unlisten = run.onState((record) => this.#announce(record));
    this.#announce(run.record);
    const { received = 0, taken = 0 } = this.#input ?? {};
    if (this.#input !== undefined && (cursor !== undefined || received > 0)) tell.credit({ input: { taken, received } });
    if (told !== undefined) outlet.event(told);
    watcher.wake();
  }

  #announce({ id, call, state }: RunRecord): void {
    const terminal = this.#shape === 'raw';
    const input = this.#input !== undefined;
    this.#parts.tell.announce({ run: { id, call, state, next: this.next, ...(terminal && { terminal }), ...(input && { input }) } });
  }

  #inputLost(): void {
    this.#input = undefined;
    this.#notice('input-taken', 'another session feeds the run now');
  }

  /** What is left of a run that is over takes no input, which is no mistake of the client's. */
  #notFeeding(): void {
    if (this.#parts.attached.live === undefined || this.#noticed.has('input-taken')) return;
    this.#notice('read-only', 'this session does not feed the run; attach with "input":true to do that');
  }

  /** Once each: a client could provoke them without end. */
  #notice(code: NoticeCode, message: string): void {
    if (code !== 'detach-refused' && this.#noticed.has(code)) return;
    this.#noticed.add(code);
    this.#parts.tell.notice(code, message);
  }
}
