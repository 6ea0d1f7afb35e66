// One websocket, one session: does what protocol/session decides.

import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Caller } from '../../calls/contract/context.ts';
import { sessionEndings, type SessionEndingName } from '../../protocol/close-codes.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { CallMessage, ClientMessage, Result } from '../../protocol/messages.ts';
import type { RunRecord } from '../../protocol/record.ts';
import { newSession, step, type SessionEvent, type SessionState } from '../../protocol/session.ts';
import { Refusal } from '../runs/refusal.ts';
import type { InputHold } from '../runs/input.ts';
import type { Run } from '../runs/run.ts';
import type { Started, StartRequest } from '../runs/runs.ts';
import type { Stay } from '../runs/watchable.ts';
import { Watcher } from '../runs/watcher.ts';
import type { Logger } from '../support/logger.ts';
import { Stall } from '../support/stall.ts';
import type { GuardedSocket } from './guarded-socket.ts';
import { HeldInput } from './held-input.ts';
import { SocketOutlet } from './socket-outlet.ts';

export interface SessionParts {
  readonly runs: { start(request: StartRequest): Started };
  readonly limits: () => Limits;
  readonly log: Logger;
}

export interface Connection {
  readonly ws: GuardedSocket;
  readonly socket: Socket;
  readonly caller: Caller;
  readonly dialect: Dialect;
}

const newline = Buffer.from('\n');

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
  #run: Run | undefined;
  #input: InputHold | undefined;
  #stay: Stay | undefined;
  #watcher: Watcher | undefined;
  #refusal: string | undefined;
  #record: RunRecord | undefined;
  #delivered = false;
  #deaf = false;
  /** Owed to the client as soon as it takes something: the answer to its last ping, and its latest credit. */
  #pong: Buffer | undefined;
  #taken: number | undefined;

  constructor(parts: SessionParts, connection: Connection, onClosed: () => void) {
    const { ws, socket, dialect } = connection;
    this.#parts = parts;
    this.#limits = parts.limits();
    this.#connection = connection;
    this.#onClosed = onClosed;
    this.#held = new HeldInput({ framesMax: this.#limits.heldFramesMax, bytesMax: this.#limits.heldBytesMax });
    this.#outlet = new SocketOutlet(ws, socket, { dialect, bytesMax: this.#limits.socketBytesMax });
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
      this.#watcher?.wake();
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
    if (this.#taken !== undefined) this.#say(dialect.credit?.({ input: { taken: this.#taken } }));
    this.#pong = undefined;
    this.#taken = undefined;
  }

  #heard(data: Buffer, isBinary: boolean): void {
    this.heardAt = performance.now();
    if (!isBinary) return this.#on('text', data);
    const message = this.#connection.dialect.read(data);
    this.#on(message.type as SessionEvent, message);
  }

  #on(event: SessionEvent, said?: ClientMessage | Buffer, ending?: SessionEndingName): void {
    const { state, act } = step(this.#state, event, ending);
    this.#state = state;
    switch (act) {
      case undefined: return;
      case 'start': return this.#start(said as CallMessage);
      case 'hold': return this.#hold(said as Buffer);
      case 'feed': return this.#feed(said as Buffer);
      case 'end-input': return this.#input?.end();
      case 'resize': return this.#run?.resize((said as ClientMessage & { type: 'resize' }).size);
      case 'stop': return this.#stop();
      case 'abandon': return this.#abandon();
      case 'hurry': return this.#connection.dialect.hurries ? this.#run?.hurry() : undefined;
      case 'finish': return this.#finish();
      default: return act satisfies never;
    }
  }

  #start(message: CallMessage): void {
    clearTimeout(this.#callTimer);
    const { call, params, run: id, terminal } = message;
    try {
      const { live } = this.#parts.runs.start({
        call, params, caller: this.#connection.caller, ...(id !== undefined && { id }), ...(terminal !== undefined && { terminal }),
      });
      if (live !== undefined) this.#attach(live);
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    if (!(error instanceof Refusal)) this.#parts.log.error({ err: error }, 'a call could not be started');
    if (error instanceof Refusal) this.#refusal = error.message;
    this.#held = undefined;
    this.#on('refused', undefined, error instanceof Refusal ? error.ending : 'fault');
  }

  #attach(run: Run): void {
    const { dialect } = this.#connection;
    this.#run = run;
    const raw = dialect.rawTerminals && run.log.shape === 'raw';
    this.#stay = run.stay();
    this.#input = run.takeInput({
      overflow: () => this.#on('input-overflow'),
      taken: (taken) => {
        if (dialect.credit === undefined) return;
        this.#taken = taken;
        this.#payOwed();
      },
    });
    run.onState((record) => this.#announce(record));
    this.#announce(run.record);
    this.#watcher = new Watcher(run.log, this.#outlet, {
      shape: raw ? 'raw' : 'lines',
      onEnd: () => { this.#delivered = true; this.#conclude(); },
      onError: (error) => this.#unreadable(error),
    });
    void run.ended.then((record) => { this.#record = record; this.#conclude(); });
    const held = this.#held?.take() ?? [];
    this.#held = undefined;
    for (const text of held) this.#feed(text);
    this.#watcher.wake();
  }

  #hold(text: Buffer): void {
    if (this.#held?.hold(text) === false) this.#on('held-too-much');
  }

  #feed(text: Buffer): void {
    const run = this.#run;
    if (run === undefined) return;
    const verbatim = this.#connection.dialect.rawTerminals && run.log.shape === 'raw';
    const bytes = verbatim ? text : Buffer.concat([text, newline]);
    if (this.#input?.push(bytes) === false) this.#on('input-overflow');
  }

  #stop(): void {
    if (this.#run === undefined) return this.#on('ended');
    switch (this.#state.ending) {
      case 'done': return this.#run.stop('cancelled');
      case 'shutdown': return this.#run.stop('shutdown');
      case undefined: return this.#run.stop('protocol');
      default: return this.#run.stop('protocol', `cancelled: ${ownText(this.#state.ending)}`);
    }
  }

  #abandon(): void {
    this.#stay?.lose();
    this.#watcher?.stop();
  }

  /** The log of the run cannot be read, so its lines cannot be told; the run goes on to its own end. */
  #unreadable(error: unknown): void {
    this.#parts.log.error({ run: this.#run?.id, err: error }, 'a log cannot be read');
    this.#watcher?.stop();
    this.#delivered = true;
    this.#on('fault');
    this.#conclude();
  }

  #conclude(): void {
    if (!this.#delivered || this.#record === undefined) return;
    if (this.#run?.faulted) this.#on('fault');
    this.#on('ended');
  }

  #announce(record: RunRecord): void {
    const { dialect } = this.#connection;
    if (dialect.announce === undefined || this.#run === undefined) return;
    const { id, call, state } = record;
    const terminal = this.#run.log.shape === 'raw' && dialect.rawTerminals;
    this.#say(dialect.announce({ run: { id, call, state, next: this.#next(), ...(terminal && { terminal }) } }));
  }

  /** Number of the next line, or of a terminal the next byte, that this client will get. */
  #next(): number {
    const { position } = this.#watcher ?? {};
    if (position === undefined) return 1;
    return 1 + (this.#connection.dialect.rawTerminals && this.#run?.log.shape === 'raw' ? position.byte : position.line);
  }

  /** The result, then Close once the result is on its way: a Close sets a short clock, and a slow reader may have much to read before it. */
  #finish(): void {
    clearTimeout(this.#callTimer);
    const { ws, dialect } = this.#connection;
    const ending = this.#state.ending ?? 'done';
    const closeCode = sessionEndings[ending].closeCode;
    if (ws.readyState !== WebSocket.OPEN) return;
    ws.send(dialect.result(this.#result(ending), ending), { binary: true }, () => ws.finish(closeCode));
  }

  #result(ending: SessionEndingName): Result {
    const { closeCode } = sessionEndings[ending];
    const record = this.#record;
    const next = this.#next();
    const ownWords = closeCode === 1000 || closeCode === 1001 ? record?.message : undefined;
    if (record === undefined) return { success: false, status: 'rejected', message: this.#refusal ?? ownText(ending), next };
    const { outcome = 'unknown', exitCode, signal, cleanup } = record;
    const success = outcome === 'succeeded' && (closeCode === 1000 || closeCode === 1001);
    const message = ownWords ?? (success ? undefined : ownText(ending));
    const { value } = this.#run ?? {};
    return {
      success, status: outcome, ...(message !== undefined && { message }), ...(value !== undefined && { value }),
      ...(exitCode !== undefined && { exitCode }), ...(signal !== undefined && { signal }), next, ...(cleanup !== undefined && { cleanup }),
    };
  }

  #say(message: Uint8Array | undefined): void {
    const { ws } = this.#connection;
    if (message !== undefined && ws.readyState === WebSocket.OPEN) ws.send(message, { binary: true });
  }

  #lose(): void {
    this.#on('gone');
    this.#connection.ws.terminate();
  }

  #closed(): void {
    clearTimeout(this.#callTimer);
    this.#on('gone');
    this.#watcher?.stop();
    this.#onClosed();
  }
}

function ownText(ending: SessionEndingName): string {
  const row = sessionEndings[ending];
  return 'message' in row ? row.message : 'unspecified error';
}
