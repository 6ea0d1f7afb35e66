// Sends the keys of a terminal in raw mode to a run. Reads and discards keys that the run cannot receive: otherwise the
// shell that shows its prompt afterwards would execute them.

import { StringDecoder } from 'node:string_decoder';
import type { OpenCall } from '../../../protocol/client/client.ts';

/** The part of a terminal that is read. */
export interface KeySource {
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data' | 'end', listener: (chunk: Uint8Array) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface KeyHandlers {
  /** Ctrl-C was typed while the run receives no keys. */
  onLeave(): void;
  /** The user typed the key that takes the input back from another session. */
  onTakeBack(): void;
}

/**
 * `sent`: keys go to the run. `taken`: this session may not write the input of the run, so keys are discarded.
 * `disconnected`: keys wait for the next connection.
 */
export type KeyTarget = 'sent' | 'taken' | 'disconnected';

const interruptKey = '\u0003';
const takeBackKey = '\u0014';
export const takeBackKeyName = 'Ctrl-T';

/** Maximum number of characters that wait for the next connection. Further keys are discarded. */
const waitingCharsMax = 4 << 10;

export class TerminalKeys {
  readonly #source: KeySource;
  readonly #call: Pick<OpenCall, 'write' | 'end'>;
  readonly #handlers: KeyHandlers;
  readonly #decoder = new StringDecoder('utf8');
  #target: KeyTarget = 'sent';
  #waitingChars = 0;

  constructor(source: KeySource, call: Pick<OpenCall, 'write' | 'end'>, handlers: KeyHandlers) {
    this.#source = source;
    this.#call = call;
    this.#handlers = handlers;
    source.on('data', this.#onKeys);
    source.on('end', this.#onEnd);
  }

  get target(): KeyTarget {
    return this.#target;
  }

  set target(target: KeyTarget) {
    this.#target = target;
    this.#waitingChars = 0;
    this.#source.resume();
  }

  /** Stops reading. Idempotent. */
  stop(): void {
    this.#source.off('data', this.#onKeys);
    this.#source.off('end', this.#onEnd);
    this.#source.pause();
  }

  readonly #onKeys = (chunk: Uint8Array): void => {
    const text = this.#decoder.write(Buffer.from(chunk));
    if (this.#target === 'sent') return this.#send(text);
    if (text.includes(interruptKey)) return this.#handlers.onLeave();
    if (this.#target === 'taken') {
      if (text.includes(takeBackKey)) this.#handlers.onTakeBack();
      return;
    }
    this.#waitingChars += text.length;
    if (this.#waitingChars <= waitingCharsMax) void this.#call.write(text);
  };

  /** Sends keys. Pauses the terminal until they are sent, which can wait until the run has read earlier input. */
  #send(text: string): void {
    if (text === '') return;
    let isWaiting = true;
    void this.#call.write(text).then(() => {
      isWaiting = false;
      this.#source.resume();
    });
    queueMicrotask(() => {
      if (isWaiting && this.#target === 'sent') this.#source.pause();
    });
  }

  readonly #onEnd = (): void => this.#call.end();
}
