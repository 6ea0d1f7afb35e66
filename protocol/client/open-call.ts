// One call or attachment of the client across reconnects: remembers the cursor, pending requests and input, and
// delivers items and the result.

import { decodeJson, isObject } from '../codec.ts';
import { readDataFrame } from '../data-frame.ts';
import type { GapMessage, InputMessage, NoticeMessage, RunAnnouncement, RunEvent, TerminalSize } from '../messages.ts';
import type { Outcome } from '../run-record.ts';
import { outcomes } from '../run-record.ts';
import { invalidSizeText, isTerminalSize } from '../terminal-size.ts';
import { InputBuffer, utf8Length } from './input-buffer.ts';
import { iterateItems } from './item-iterator.ts';
import { ItemQueue } from './item-queue.ts';
import { ReconnectingSocket } from './reconnecting-socket.ts';
import type { ClientResult, ConnectionOptions, Item, OpenCall } from './types.ts';

export interface FirstMessage {
  readonly id: string;
  /** First message on every connection until the gateway announces the run. With `call` it starts a run. */
  readonly message:
    | { readonly call: string; readonly [more: string]: unknown }
    | { readonly attach: string; readonly [more: string]: unknown };
  readonly writesInput: boolean;
}

export class ClientCall implements OpenCall {
  readonly id: string;
  readonly result: Promise<ClientResult>;
  run: RunAnnouncement['run'] | undefined;
  readonly #options: ConnectionOptions;
  readonly #firstMessage: FirstMessage;
  readonly #items: ItemQueue;
  readonly #input: InputBuffer;
  readonly #socket: ReconnectingSocket;
  readonly #onAbort = (): void => this.cancel();
  #settle: (result: ClientResult) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #writesInput: boolean;
  #ended = false;
  /** True once the gateway has announced the run on the current connection. */
  #announced = false;
  #disconnected = false;
  #next: number | undefined;
  #seq = 0;
  /** The stream of the next bytes. */
  #stream: 'stdout' | 'stderr' = 'stdout';
  #cancelCount = 0;
  #detachRequested = false;
  #inputRequested = false;
  #terminalSize: TerminalSize | undefined;

  constructor(options: ConnectionOptions, firstMessage: FirstMessage) {
    this.#options = options;
    this.#firstMessage = firstMessage;
    this.id = firstMessage.id;
    this.#writesInput = firstMessage.writesInput;
    this.result = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
    this.#items = new ItemQueue(
      {
        unreadBytesMax: options.unreadBytesMax,
        onPauseChange: (paused) => this.#socket.setPaused(paused),
        onListenerError: (error) => this.#onListenerError(error),
        onResult: (result) => this.#settle(result),
      },
      options.onItem,
    );
    this.#input = new InputBuffer({
      send: (text) => this.#socket.send(text),
      end: () => this.#socket.send({ signal: 'close' }),
    });
    if (!firstMessage.writesInput) this.#input.close();
    this.#socket = new ReconnectingSocket(options, {
      onOpen: () => this.#openingMessage(),
      onMessage: (data) => this.#onMessage(data),
      onReconnecting: (inMs, attempt) => this.#onReconnecting(inMs, attempt),
      onGiveUp: (error, hasSent) => this.#onGiveUp(error, hasSent),
    });
    options.signal?.addEventListener('abort', this.#onAbort);
    if (options.signal?.aborted) this.cancel();
  }

  [Symbol.asyncIterator](): AsyncIterator<Item, undefined> {
    return iterateItems(this.#items, this.result);
  }

  write(input: string | Uint8Array): Promise<boolean> {
    return this.#input.write(input);
  }

  end(): void {
    this.#input.end();
  }

  requestInput(): void {
    if (!this.#announced || this.#ended || this.#writesInput) return;
    this.#inputRequested = true;
    this.#socket.send({ signal: 'input' });
  }

  cancel(): void {
    if (this.#ended) return;
    this.#cancelCount += 1;
    if (!this.#socket.hasSent && 'call' in this.#firstMessage.message) {
      return this.#finish({
        success: false,
        status: 'cancelled',
        message: 'cancelled before the call was sent',
        lost: 'never-sent',
      });
    }
    if (this.#announced) this.#socket.send({ signal: 'cancel' });
  }

  detach(): void {
    if (this.#ended || this.#detachRequested) return;
    this.#detachRequested = true;
    if (this.#announced) this.#socket.send({ signal: 'detach' });
  }

  resize(size: TerminalSize): void {
    if (!isTerminalSize(size)) {
      this.#items.push({ notice: { code: 'invalid-size', message: invalidSizeText } });
      return;
    }
    this.#terminalSize = size;
    if (this.#announced && !this.#ended) this.#sendResize(size);
  }

  /**
   * Returns the first message on a connection. After an announcement the run exists, so attach to the run. Sending the
   * call again could start a second run if the gateway has deleted the first.
   */
  #openingMessage(): object {
    if (this.run === undefined) return this.#firstMessage.message;
    return {
      attach: this.run.id,
      after: (this.#next ?? 1) - 1,
      ...(this.#writesInput && { input: true }),
      ...(this.#options.bytes === true && { bytes: true }),
    };
  }

  #onMessage(data: unknown): void {
    if (typeof data === 'string') this.#onText(data);
    else if (data instanceof ArrayBuffer) this.#onBinary(new Uint8Array(data));
  }

  #onBinary(frame: Uint8Array): void {
    const bytes = readDataFrame(frame);
    if (bytes === undefined) return this.#onControl(decodeJson(frame));
    if (this.#next !== undefined) this.#next += bytes.length;
    this.#items.push({ bytes, stream: this.#stream });
  }

  #onText(text: string): void {
    const raw = this.run?.terminal === true;
    if (this.#next !== undefined) this.#next += raw ? utf8Length(text) : 1;
    this.#items.push(raw ? { chunk: text } : { line: text });
  }

  /** Ignores unknown messages; newer gateways may send more kinds. */
  #onControl(message: unknown): void {
    if (!isObject(message)) return;
    if (typeof message['success'] === 'boolean') this.#onResult(message);
    else if (isObject(message['run'])) this.#onRun(message as unknown as RunAnnouncement);
    else if (isObject(message['event'])) this.#onEvent(message['event'] as RunEvent);
    else if (isObject(message['input'])) this.#onInput(message as unknown as InputMessage);
    else if (isObject(message['gap'])) this.#onGap(message as unknown as GapMessage);
    else if (isObject(message['notice'])) this.#onNotice(message as unknown as NoticeMessage);
  }

  #onRun({ run }: RunAnnouncement): void {
    const before = this.run;
    this.#next ??= run.next;
    this.run = run;
    if (run.input === true && this.#inputRequested) this.#onInputGranted(run);
    if (this.#announced) return this.#items.push({ run });
    this.#announced = true;
    // On every connection, output belongs to stdout until a `stream` event names another stream.
    this.#stream = 'stdout';
    this.#socket.markHealthy();
    const starts = before === undefined && 'call' in this.#firstMessage.message;
    this.#input.start({ addedBytes: run.terminal === true ? 0 : 1, fresh: starts });
    // Resend before the listener receives the items below. If the listener then cancels, the gateway gets only one
    // cancel; a second one would skip the grace.
    this.#resendRequests(run.state);
    if (this.#disconnected) this.#items.push({ connection: 'resumed' });
    this.#disconnected = false;
    if (run.state !== before?.state) this.#items.push({ run });
  }

  /**
   * Accepts input again, because this session has received the input lease. The gateway's next message says where the
   * input of this session begins within that of the run.
   */
  #onInputGranted({ terminal }: RunAnnouncement['run']): void {
    this.#inputRequested = false;
    this.#writesInput = true;
    this.#input.reopen();
    this.#input.start({ addedBytes: terminal === true ? 0 : 1, fresh: false });
  }

  /**
   * Sends requests again that the lost connection may have dropped. A run in state `cancelling` has already received
   * the cancel.
   */
  #resendRequests(state: RunAnnouncement['run']['state']): void {
    if (state === 'ended') return;
    if (this.#terminalSize !== undefined) this.#sendResize(this.#terminalSize);
    if (this.#cancelCount > 0 && state !== 'cancelling') this.#socket.send({ signal: 'cancel' });
    if (this.#cancelCount > 1) this.#socket.send({ signal: 'cancel' });
    if (this.#detachRequested) this.#socket.send({ signal: 'detach' });
  }

  /** Skips events already seen: the gateway repeats events before the cursor on every connection. */
  #onEvent(event: RunEvent): void {
    if (event.type === 'stream') this.#stream = event['stream'] === 'stderr' ? 'stderr' : 'stdout';
    if (event.seq <= this.#seq) return;
    if (typeof event.seq === 'number') this.#seq = event.seq;
    this.#items.push({ event });
  }

  #onInput({ input: { taken, received } }: InputMessage): void {
    if (typeof received === 'number') this.#input.onReceived(Number(taken) || 0, received);
    else this.#input.onTaken(Number(taken) || 0);
  }

  #onGap({ gap }: GapMessage): void {
    this.#next = gap.to + 1;
    this.#stream = 'stdout';
    this.#items.push({ gap });
  }

  #onNotice({ notice }: NoticeMessage): void {
    if (notice.code === 'detach-refused') this.#detachRequested = false;
    if (notice.code === 'input-taken' || notice.code === 'read-only') {
      this.#writesInput = false;
      this.#inputRequested = false;
      this.#input.close();
    }
    this.#items.push({ notice });
  }

  /**
   * Handles the result. If the gateway rejects the attach after a reconnect, it has not rejected the run: the run was
   * announced before, and its outcome is unknown here.
   */
  #onResult(message: Readonly<Record<string, unknown>>): void {
    const result = parseResult(message);
    const isUnknownRun = result.status === 'rejected' && this.run !== undefined && !this.#announced;
    this.#finish(
      isUnknownRun
        ? this.#unknownResult(`cannot watch the run any longer: ${result.message ?? 'the gateway rejected the attach'}`)
        : result,
    );
  }

  #onReconnecting(inMs: number, attempt: number): void {
    this.#announced = false;
    this.#disconnected = true;
    this.#input.pause();
    this.#items.push({ connection: 'lost', inMs, attempt });
  }

  #onGiveUp(error: string, hasSent: boolean): void {
    this.#finish(
      hasSent
        ? this.#unknownResult(`connection lost before the result arrived: ${error}`)
        : {
            success: false,
            status: 'unknown',
            message: `cannot connect to ${this.#options.url}: ${error}`,
            lost: 'never-sent',
          },
    );
  }

  #unknownResult(message: string): ClientResult {
    return {
      success: false,
      status: 'unknown',
      message,
      lost: 'disconnected',
      ...(this.#next !== undefined && { next: this.#next }),
    };
  }

  /** Ends the call with its first result, after all earlier items were delivered. */
  #finish(result: ClientResult): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#input.close();
    this.#socket.close();
    this.#items.end(result);
  }

  #sendResize({ cols, rows }: TerminalSize): void {
    this.#socket.send({ signal: 'resize', cols, rows });
  }

  /**
   * Ends the call of a listener that throws: cancels the run and rejects `result` at once. The gateway records the
   * run's own outcome.
   */
  #onListenerError(error: unknown): void {
    this.#reject(error);
    this.cancel();
  }
}

/** Returns the result with the status `unknown` if this client does not know its status. */
function parseResult(message: Readonly<Record<string, unknown>>): ClientResult {
  const knownStatuses: readonly (Outcome | 'detached')[] = [...outcomes, 'detached'];
  return {
    ...message,
    status: knownStatuses.find((status) => status === message['status']) ?? 'unknown',
  } as ClientResult;
}
