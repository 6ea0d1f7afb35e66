// One websocket, one session: does what protocol/session decides.

import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Caller } from '../../calls/contract/context.ts';
import type { SessionEndingName } from '../../protocol/close-codes.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { AttachMessage, CallMessage, ClientMessage, InputMessage } from '../../protocol/messages.ts';
import type { RunRecord } from '../../protocol/record.ts';
import { newSession, step, type SessionEvent, type SessionState } from '../../protocol/session.ts';
import type { Cursor } from '../runs/log/position.ts';
import { Refusal } from '../runs/refusal.ts';
import type { Attached, Started, StartRequest } from '../runs/runs.ts';
import type { Logger } from '../support/logger.ts';
import { Stall } from '../support/stall.ts';
import { Bond, type BondNews } from './bond.ts';
import type { GuardedSocket } from './guarded-socket.ts';
import { HeldInput } from './held-input.ts';
import { ownText, resultOf } from './result.ts';
import { SocketOutlet } from './socket-outlet.ts';

export interface SessionParts {
  readonly runs: {
    /** Both throw Refusal. */
    start(request: StartRequest): Started;
    attach(run: string, caller: Caller): Attached;
  };
  readonly limits: () => Limits;
  readonly log: Logger;
}

export interface Connection {
  readonly ws: GuardedSocket;
  readonly socket: Socket;
  readonly caller: Caller;
  readonly dialect: Dialect;
}

export class Session {
  /** When the client was last heard, and last pinged; milliseconds of a monotonic clock. */
  heardAt = performance.now();
  pingedAt = performance.now();
  readonly #parts: SessionParts;
  readonly #limits: Limits;
  readonly #connection: Connection;
  readonly #outlet: SocketOutlet;
  readonly #stall: Stall;
  readonly #onClosed: () => void;
  readonly #callTimer: NodeJS.Timeout;
  #state: SessionState = newSession;
  #held: HeldInput | undefined;
  #bond: Bond | undefined;
  #attached: Attached | undefined;
  #refusal: string | undefined;
  #record: RunRecord | undefined;
  #deaf = false;
  /** Owed to the client as soon as it takes something: the answer to its last ping, and its latest credit. */
  #pong: Buffer | undefined;
  #credit: InputMessage | undefined;

  constructor(parts: SessionParts, connection: Connection, onClosed: () => void) {
    const { ws, socket, dialect } = connection;
    this.#parts = parts;
    this.#limits = parts.limits();
    this.#connection = connection;
    this.#onClosed = onClosed;
    this.#held = new HeldInput({ framesMax: this.#limits.heldFramesMax, bytesMax: this.#limits.heldBytesMax });
    this.#outlet = new SocketOutlet(ws, socket, { dialect, bytesMax: this.#limits.socketBytesMax, allBytesMax: this.#limits.watchersBytesMax });
    this.#stall = new Stall(socket);
    this.#callTimer = setTimeout(() => this.#on('no-call'), this.#limits.firstCallMs);
    this.#listen();
  }

  /** The gateway is stopping. */
  shutDown(): void {
    this.#on('shutdown');
  }

  /** To be called every now and then: pings, and notices that the client is lost. */
  beat(now: number): void {
    // A client that broke the protocol is not read any more, so its silence says nothing.
    if (!this.#deaf && now - this.heardAt > this.#limits.lostMs) return this.#lose();
    if (this.#stall.at(now) > this.#limits.writeStallMs) return this.#lose();
    if (now - this.pingedAt < this.#limits.pingMs || !this.#speaks) return;
    this.pingedAt = now;
    this.#connection.ws.ping();
  }

  #listen(): void {
    const { ws, socket } = this.#connection;
    ws.on('message', (data, isBinary) => this.#heard(data as Buffer, isBinary));
    ws.on('pong', () => { this.heardAt = performance.now(); });
    ws.on('ping', (payload) => this.#pinged(payload));
    ws.on('error', () => {});
    ws.on('close', () => this.#closed());
    ws.onPeerClose = () => this.#on('gone');
    ws.onViolation = (violation) => {
      this.#deaf = true;
      this.#on(violation);
    };
    socket.on('drain', () => {
      this.#payOwed();
      this.#bond?.wake();
    });
  }

  /** After the result nothing follows but Close. */
  get #speaks(): boolean {
    return this.#state.phase !== 'closing' && this.#connection.ws.readyState === WebSocket.OPEN;
  }

  /** A client that asks and does not read gets one answer, to its last ping (RFC 6455, 5.5.3), so that answers cannot pile up. */
  #pinged(payload: Buffer): void {
    this.heardAt = performance.now();
    // The payload is a part of a larger buffer.
    this.#pong = Buffer.from(payload);
    this.#payOwed();
  }

  #payOwed(): void {
    if (this.#outlet.full || !this.#speaks) return;
    const { ws, dialect } = this.#connection;
    if (this.#pong !== undefined) ws.pong(this.#pong);
    if (this.#credit !== undefined) this.#outlet.say(dialect.credit?.(this.#credit));
    this.#pong = undefined;
    this.#credit = undefined;
  }

  #heard(data: Buffer, isBinary: boolean): void {
    this.heardAt = performance.now();
    if (!isBinary) return this.#on('text', data);
    const message = this.#connection.dialect.read(data);
    this.#on(message.type, message);
  }

  #on(event: SessionEvent, said?: ClientMessage | Buffer, ending?: SessionEndingName): void {
    const { state, act } = step(this.#state, event, ending);
    this.#state = state;
    switch (act) {
      case undefined: return;
      case 'start': return this.#start(said as CallMessage);
      case 'hold': return this.#hold(said as Buffer);
      case 'feed': return this.#feed(said as Buffer);
      case 'attach': return this.#attach(said as AttachMessage);
      case 'end-input': return this.#bond?.endInput();
      case 'resize': return this.#bond?.resize((said as ClientMessage & { type: 'resize' }).size);
      case 'detach': return this.#bond?.detach() === true ? this.#on('left') : undefined;
      case 'ask': return this.#bond?.ask();
      case 'stop': return this.#stop();
      case 'abandon': return this.#bond?.loosen();
      case 'hurry': return this.#connection.dialect.hurries ? this.#bond?.hurry() : undefined;
      case 'finish': return this.#finish();
      default: return act satisfies never;
    }
  }

  #start({ call, params, run: id, terminal, after, onDisconnect }: CallMessage): void {
    const { caller } = this.#connection;
    const request = { call, params, caller, ...(id !== undefined && { id }), ...(terminal !== undefined && { terminal }), ...(onDisconnect !== undefined && { onDisconnect }) };
    this.#find(() => {
      const started = this.#parts.runs.start(request);
      return { attached: started, owns: true, feeds: true, ...(started.existing && { cursor: { after: after ?? 0 } }) };
    });
  }

  #attach({ run, after = 0, last, input = false }: AttachMessage): void {
    const cursor = last === undefined ? { after } : { last };
    this.#find(() => ({ attached: this.#parts.runs.attach(run, this.#connection.caller), owns: false, feeds: input, cursor }));
  }

  #find(look: () => { attached: Attached; owns: boolean; feeds: boolean; cursor?: Cursor }): void {
    clearTimeout(this.#callTimer);
    try {
      const found = look();
      this.#attached = found.attached;
      this.#bond = new Bond({ ...found, text: this.#connection.dialect.text, outlet: this.#outlet, limits: this.#limits, tell: this.#news() });
    } catch (error) {
      return this.#refused(error);
    }
    this.#bond.begin();
    const held = this.#held?.take() ?? [];
    this.#held = undefined;
    for (const text of held) this.#feed(text);
  }

  #refused(error: unknown): void {
    if (!(error instanceof Refusal)) this.#parts.log.error({ err: error }, 'a call could not be started');
    if (error instanceof Refusal) this.#refusal = error.message;
    this.#held = undefined;
    this.#bond?.loosen();
    this.#bond = undefined;
    this.#on('refused', undefined, error instanceof Refusal ? error.ending : 'fault');
  }

  #news(): BondNews {
    const { dialect } = this.#connection;
    return {
      announce: (message) => this.#outlet.say(dialect.announce?.(message)),
      notice: (code, message) => this.#outlet.say(dialect.notice?.({ notice: { code, message } })),
      credit: (message) => {
        // What was received is told at once, and once; the rest may wait for the newest.
        if (message.input.received !== undefined) return this.#outlet.say(dialect.credit?.(message));
        this.#credit = message;
        this.#payOwed();
      },
      overflow: () => this.#on('input-overflow'),
      over: (record) => this.#over(record),
      unreadable: (error) => this.#unreadable(error),
      refused: (error) => this.#refused(error),
    };
  }

  #hold(text: Buffer): void {
    if (this.#held?.hold(text) === false) this.#on('held-too-much');
  }

  #feed(text: Buffer): void {
    this.#bond?.feed(text);
  }

  #stop(): void {
    if (this.#bond === undefined) return this.#on('ended');
    switch (this.#state.ending) {
      case 'done': return this.#bond.stop('cancelled');
      case 'shutdown': return this.#bond.stop('shutdown');
      case undefined: return this.#bond.stop('protocol');
      default: return this.#bond.stop('protocol', `cancelled: ${ownText(this.#state.ending)}`);
    }
  }

  #over(record: RunRecord): void {
    this.#record = record;
    if (this.#attached?.run.faulted) this.#on('fault');
    this.#on('ended');
  }

  /** The log of the run cannot be read, so its lines cannot be told; the run goes on to its own end. */
  #unreadable(error: unknown): void {
    this.#parts.log.error({ run: this.#attached?.run.id, err: error }, 'a log cannot be read');
    this.#on('fault');
    void this.#attached?.run.ended.then((record) => this.#over(record));
  }

  /** The result, then Close once the result is on its way: a Close sets a short clock, and a slow reader may have much to read before it. */
  #finish(): void {
    clearTimeout(this.#callTimer);
    const { ws, dialect } = this.#connection;
    const ending = this.#state.ending ?? 'done';
    const result = resultOf({
      ending, next: this.#bond?.next ?? 1, hadRun: this.#bond !== undefined, record: this.#record, value: this.#attached?.run.value, refusal: this.#refusal,
    });
    // Nothing may follow the result.
    this.#bond?.loosen();
    if (ws.readyState !== WebSocket.OPEN) return;
    ws.send(dialect.result(result, ending), { binary: true }, () => ws.finish(dialect.closeCode(ending)));
  }

  #lose(): void {
    this.#on('gone');
    this.#connection.ws.terminate();
  }

  #closed(): void {
    clearTimeout(this.#callTimer);
    this.#on('gone');
    this.#bond?.loosen();
    this.#onClosed();
  }
}
