// One call of the client, over as many connections as it takes: what was heard, where to go on, and what is still to be said.

import { Delivery } from './client-delivery.ts';
import { ClientInput, utf8Length } from './client-input.ts';
import { itemsOf } from './client-items.ts';
import { Link } from './client-link.ts';
import type { CallResult, Item, LinkOptions, OpenCall } from './client-types.ts';
import { decodeJson, isObject } from './codec.ts';
import type { GapMessage, InputMessage, NoticeMessage, RunAnnouncement, RunEvent, TerminalSize } from './messages.ts';
import { outcomes } from './record.ts';
import type { Outcome } from './record.ts';

export interface Opening {
  readonly id: string;
  /** The first message, said again until the run is announced. With `call` it starts something. */
  readonly first: { readonly call: string; readonly [more: string]: unknown } | { readonly attach: string; readonly [more: string]: unknown };
  readonly feeds: boolean;
}

export class ClientCall implements OpenCall {
  readonly id: string;
  readonly result: Promise<CallResult>;
  run: RunAnnouncement['run'] | undefined;
  readonly #options: LinkOptions;
  readonly #opening: Opening;
  readonly #delivery: Delivery;
  readonly #input: ClientInput;
  readonly #link: Link;
  readonly #onAbort = (): void => this.cancel();
  #settle: (result: CallResult) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #feeds: boolean;
  #over = false;
  /** The run was announced on this connection. */
  #announced = false;
  #lost = false;
  #next: number | undefined;
  #seq = 0;
  #cancels = 0;
  #leaving = false;
  #size: TerminalSize | undefined;

  constructor(options: LinkOptions, opening: Opening) {
    this.#options = options;
    this.#opening = opening;
    this.id = opening.id;
    this.#feeds = opening.feeds;
    this.result = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
    this.#delivery = new Delivery({
      unreadBytesMax: options.unreadBytesMax,
      onFlow: (paused) => this.#link.flow(paused),
      onFailed: (error) => this.#failed(error),
      onResult: (result) => this.#settle(result),
    }, options.onItem);
    this.#input = new ClientInput({ send: (text) => this.#link.say(text), end: () => this.#link.say({ signal: 'close' }) });
    if (!opening.feeds) this.#input.close();
    this.#link = new Link(options, {
      hello: () => this.#hello(),
      heard: (data) => this.#heard(data),
      waiting: (inMs, attempt) => this.#waiting(inMs, attempt),
      over: (trouble, said) => this.#cutOff(trouble, said),
    });
    options.signal?.addEventListener('abort', this.#onAbort);
    if (options.signal?.aborted) this.cancel();
  }

  [Symbol.asyncIterator](): AsyncIterator<Item, undefined> {
    return itemsOf(this.#delivery, this.result);
  }

  write(text: string): Promise<boolean> {
    return this.#input.write(text);
  }

  end(): void {
    this.#input.end();
  }

  cancel(): void {
    if (this.#over) return;
    this.#cancels += 1;
    if (!this.#link.said && 'call' in this.#opening.first) {
      return this.#conclude({ success: false, status: 'cancelled', message: 'cancelled before the call was sent', lost: 'never-sent' });
    }
    if (this.#announced) this.#link.say({ signal: 'cancel' });
  }

  detach(): void {
    if (this.#over || this.#leaving) return;
    this.#leaving = true;
    if (this.#announced) this.#link.say({ signal: 'detach' });
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    if (this.#announced && !this.#over) this.#sayResize(size);
  }

  /** A run that was announced exists, and a call could start another one if it was forgotten since: it is attached to. */
  #hello(): object {
    if (this.run === undefined) return this.#opening.first;
    return { attach: this.run.id, after: (this.#next ?? 1) - 1, ...(this.#feeds && { input: true }) };
  }

  #heard(data: unknown): void {
    if (typeof data === 'string') this.#heardText(data);
    else if (data instanceof ArrayBuffer) this.#heardControl(decodeJson(new Uint8Array(data)));
  }

  #heardText(text: string): void {
    const raw = this.run?.terminal === true;
    if (this.#next !== undefined) this.#next += raw ? utf8Length(text) : 1;
    this.#delivery.put(raw ? { chunk: text } : { line: text });
  }

  /** Unknown messages are ignored: gateways may learn new ones. */
  #heardControl(message: unknown): void {
    if (!isObject(message)) return;
    if (typeof message['success'] === 'boolean') this.#heardResult(message);
    else if (isObject(message['run'])) this.#heardRun(message as unknown as RunAnnouncement);
    else if (isObject(message['event'])) this.#heardEvent(message['event'] as RunEvent);
    else if (isObject(message['input'])) this.#heardInput(message as unknown as InputMessage);
    else if (isObject(message['gap'])) this.#heardGap(message as unknown as GapMessage);
    else if (isObject(message['notice'])) this.#heardNotice(message as unknown as NoticeMessage);
  }

  #heardRun({ run }: RunAnnouncement): void {
    const before = this.run;
    this.#next ??= run.next;
    this.run = run;
    if (this.#announced) return this.#delivery.put({ run });
    this.#announced = true;
    this.#link.thrives();
    const starts = before === undefined && 'call' in this.#opening.first;
    this.#input.begin({ addedBytes: run.terminal === true ? 0 : 1, fresh: starts });
    this.#sayAgain(run.state);
    // Whoever cancels when he hears of the run has it said once: a second time would skip the grace.
    if (this.#lost) this.#delivery.put({ connection: 'resumed' });
    this.#lost = false;
    if (run.state !== before?.state) this.#delivery.put({ run });
  }

  /** What was asked for and may not have arrived. A run that is being cancelled was asked already. */
  #sayAgain(state: RunAnnouncement['run']['state']): void {
    if (state === 'ended') return;
    if (this.#size !== undefined) this.#sayResize(this.#size);
    if (this.#cancels > 0 && state !== 'cancelling') this.#link.say({ signal: 'cancel' });
    if (this.#cancels > 1) this.#link.say({ signal: 'cancel' });
    if (this.#leaving) this.#link.say({ signal: 'detach' });
  }

  /** Events behind the cursor come again on every connection. */
  #heardEvent(event: RunEvent): void {
    if (event.seq <= this.#seq) return;
    if (typeof event.seq === 'number') this.#seq = event.seq;
    this.#delivery.put({ event });
  }

  #heardInput({ input: { taken, received } }: InputMessage): void {
    if (typeof received === 'number') this.#input.received(Number(taken) || 0, received);
    else this.#input.taken(Number(taken) || 0);
  }

  #heardGap({ gap }: GapMessage): void {
    this.#next = gap.to + 1;
    this.#delivery.put({ gap });
  }

  #heardNotice({ notice }: NoticeMessage): void {
    if (notice.code === 'detach-refused') this.#leaving = false;
    if (notice.code === 'input-taken' || notice.code === 'read-only') {
      this.#feeds = false;
      this.#input.close();
    }
    this.#delivery.put({ notice });
  }

  /** A run that was announced did start: that the gateway does not know it any more says nothing about its end. */
  #heardResult(message: Readonly<Record<string, unknown>>): void {
    const result = asResult(message);
    const forgotten = result.status === 'rejected' && this.run !== undefined && !this.#announced;
    this.#conclude(forgotten ? this.#unknown(`the run cannot be watched any more: ${result.message ?? 'the gateway refused'}`) : result);
  }

  #waiting(inMs: number, attempt: number): void {
    this.#announced = false;
    this.#lost = true;
    this.#input.hold();
    this.#delivery.put({ connection: 'lost', inMs, attempt });
  }

  #cutOff(trouble: string, said: boolean): void {
    this.#conclude(said
      ? this.#unknown(`connection lost before the result came: ${trouble}`)
      : { success: false, status: 'unknown', message: `cannot connect to ${this.#options.url}: ${trouble}`, lost: 'never-sent' });
  }

  #unknown(message: string): CallResult {
    return { success: false, status: 'unknown', message, lost: 'disconnected', ...(this.#next !== undefined && { next: this.#next }) };
  }

  /** The first result stands; everything heard before it is handed over first. */
  #conclude(result: CallResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#input.close();
    this.#link.close();
    this.#delivery.finish(result);
  }

  #sayResize({ cols, rows }: TerminalSize): void {
    this.#link.say({ signal: 'resize', cols, rows });
  }

  /** The listener is broken: nothing is gained by running on. The rejection waits for nobody, the run's own end is on record at the gateway. */
  #failed(error: unknown): void {
    this.#reject(error);
    this.cancel();
  }
}

/** An outcome this client has no word for is not guessed at. */
function asResult(message: Readonly<Record<string, unknown>>): CallResult {
  const known: readonly (Outcome | 'detached')[] = [...outcomes, 'detached'];
  return { ...message, status: known.find((status) => status === message['status']) ?? 'unknown' } as CallResult;
}
