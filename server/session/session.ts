// One websocket session: performs the actions that protocol/session-table.ts decides.

import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Caller } from '../../calls/contract/context.ts';
import type { SessionEndingName } from '../../protocol/close-codes.ts';
import { readDataFrame } from '../../protocol/data-frame.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { AttachMessage, CallMessage, ClientMessage, InputMessage } from '../../protocol/messages.ts';
import type { RunRecord } from '../../protocol/run-record.ts';
import { newSession, type SessionEvent, type SessionState, transition } from '../../protocol/session-table.ts';
import { RunRejected } from '../runs/rejection.ts';
import type { AttachedRun, StartRequest, StartResult } from '../runs/runs.ts';
import type { Logger } from '../support/logger.ts';
import { WriteStall } from '../support/write-stall.ts';
import type { DeferredCloseSocket } from './deferred-close-socket.ts';
import { EarlyInputBuffer, type InputFrame } from './early-input.ts';
import { MessageQueue } from './message-queue.ts';
import { rejectionEnding } from './rejection-ending.ts';
import { type AttachmentListener, RunAttachment, type RunAttachmentOptions } from './run-attachment.ts';
import { buildResult, defaultMessage, inputOverflowText } from './session-result.ts';
import { SocketSink } from './socket-sink.ts';

export interface SessionDeps {
  readonly runs: {
    /** Both methods throw RunRejected. */
    start(request: StartRequest): StartResult;
    attach(run: string, caller: Caller): AttachedRun;
  };
  readonly limits: () => Limits;
  readonly log: Logger;
}

/** The run of a session, and how the session uses it. */
type Target = Pick<RunAttachmentOptions, 'attached' | 'owns' | 'writesInput' | 'bytes' | 'cursor'>;

export interface Connection {
  readonly ws: DeferredCloseSocket;
  readonly socket: Socket;
  readonly caller: Caller;
  readonly dialect: Dialect;
}

export class Session {
  /** Times of the last data from the client and of the last ping to it, in milliseconds (`performance.now()`). */
  lastHeardAt = performance.now();
  lastPingAt = performance.now();
  readonly #deps: SessionDeps;
  readonly #limits: Limits;
  readonly #connection: Connection;
  readonly #sink: SocketSink;
  readonly #writeStall: WriteStall;
  readonly #onClosed: () => void;
  readonly #callTimer: NodeJS.Timeout;
  #state: SessionState = newSession;
  #earlyInput: EarlyInputBuffer | undefined;
  #attachment: RunAttachment | undefined;
  #attached: AttachedRun | undefined;
  #rejectionMessage: string | undefined;
  #record: RunRecord | undefined;
  #readingStopped = false;
  /** True while the session does not read because the disk is behind. */
  #paused = false;
  /** True while messages of the client wait for a later event-loop turn. The session then reads no more of them. */
  #busy = false;
  readonly #messages: MessageQueue;
  /**
   * Messages that wait until the socket accepts more: the answer to the client's latest ping, and its latest input
   * credit.
   */
  #pendingPong: Buffer | undefined;
  #pendingCredit: InputMessage | undefined;

  constructor(deps: SessionDeps, connection: Connection, onClosed: () => void) {
    const { ws, socket, dialect } = connection;
    this.#deps = deps;
    this.#limits = deps.limits();
    this.#connection = connection;
    this.#onClosed = onClosed;
    this.#earlyInput = new EarlyInputBuffer({
      framesMax: this.#limits.earlyInputFramesMax,
      bytesMax: this.#limits.earlyInputBytesMax,
    });
    this.#sink = new SocketSink(ws, socket, {
      dialect,
      bytesMax: this.#limits.socketBytesMax,
      allBytesMax: this.#limits.watchersBytesMax,
    });
    this.#writeStall = new WriteStall(socket);
    this.#messages = new MessageQueue(
      (data, isBinary) => this.#onMessage(data, isBinary),
      (busy) => {
        this.#busy = busy;
        this.#pauseOrResume();
      },
    );
    this.#callTimer = setTimeout(() => this.#handle('call-timeout'), this.#limits.firstCallMs);
    this.#listen();
  }

  /** Ends the session because the gateway stops. */
  drain(): void {
    this.#handle('shutdown');
  }

  /** Sends pings and drops a client that has timed out. Call it regularly. */
  heartbeat(now: number): void {
    // Ignore the client's silence while the session does not read: after a protocol violation, or because the disk is
    // behind.
    if (!this.#readingStopped && !this.#paused && now - this.lastHeardAt > this.#limits.clientTimeoutMs)
      return this.#dropClient();
    if (this.#writeStall.stalledMs(now) > this.#limits.writeStallMs) return this.#dropClient();
    if (now - this.lastPingAt < this.#limits.pingMs || !this.#canSend) return;
    this.lastPingAt = now;
    this.#connection.ws.ping();
  }

  #listen(): void {
    const { ws, socket } = this.#connection;
    ws.on('message', (data, isBinary) => this.#messages.push(data as Buffer, isBinary));
    ws.on('pong', () => {
      this.lastHeardAt = performance.now();
    });
    ws.on('ping', (payload) => this.#onPing(payload));
    ws.on('error', () => {});
    ws.on('close', () => this.#onSocketClosed());
    ws.onPeerClose = () => {
      this.#messages.flush();
      this.#handle('disconnected');
    };
    ws.onViolation = (violation) => {
      this.#messages.flush();
      this.#readingStopped = true;
      this.#handle(violation);
    };
    socket.on('drain', () => {
      this.#flushPending();
      this.#attachment?.wake();
    });
  }

  /** False if the connection is not open, and after the result, because only Close may follow it. */
  get #canSend(): boolean {
    return this.#state.phase !== 'closing' && this.#connection.ws.readyState === WebSocket.OPEN;
  }

  /**
   * Answers only the latest ping (RFC 6455, 5.5.3), so that answers do not accumulate for a client that does not read.
   */
  #onPing(payload: Buffer): void {
    this.lastHeardAt = performance.now();
    // Copy the payload, because it is part of a larger buffer that ws reuses.
    this.#pendingPong = Buffer.from(payload);
    this.#flushPending();
  }

  #flushPending(): void {
    if (this.#sink.full || !this.#canSend) return;
    const { ws, dialect } = this.#connection;
    if (this.#pendingPong !== undefined) ws.pong(this.#pendingPong);
    if (this.#pendingCredit !== undefined) this.#sink.sendControl(dialect.credit?.(this.#pendingCredit));
    this.#pendingPong = undefined;
    this.#pendingCredit = undefined;
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.lastHeardAt = performance.now();
    const { dialect } = this.#connection;
    if (!isBinary) return this.#handle('text', { bytes: data, isLine: true });
    const bytes = dialect.dataFrames ? readDataFrame(data) : undefined;
    if (bytes !== undefined) return this.#handle('text', { bytes, isLine: false });
    const message = dialect.read(data);
    this.#handle(message.type, message);
  }

  #handle(event: SessionEvent, payload?: ClientMessage | InputFrame, ending?: SessionEndingName): void {
    const { state, action } = transition(this.#state, event, ending);
    this.#state = state;
    switch (action) {
      case undefined:
        return;
      case 'start':
        return this.#start(payload as CallMessage);
      case 'buffer-input':
        return this.#bufferInput(payload as InputFrame);
      case 'write-input':
        return this.#writeInput(payload as InputFrame);
      case 'attach':
        return this.#attach(payload as AttachMessage);
      case 'close-input':
        return this.#attachment?.closeInput();
      case 'resize':
        return this.#attachment?.resize((payload as ClientMessage & { type: 'resize' }).size);
      case 'detach':
        return this.#attachment?.requestDetach() === true ? this.#handle('detached') : undefined;
      case 'request-input':
        return this.#attachment?.requestInput();
      case 'request-stop':
        return this.#attachment?.requestStop();
      case 'stop':
        return this.#stopRun();
      case 'apply-disconnect-policy':
        return this.#attachment?.detach();
      case 'force-stop':
        return this.#connection.dialect.secondCancelForces ? this.#attached?.activeRun?.forceStop() : undefined;
      case 'finish':
        return this.#finish();
      default:
        return action satisfies never;
    }
  }

  #start({ call, params, run: id, terminal, after, onDisconnect, bytes = false }: CallMessage): void {
    const { caller } = this.#connection;
    const request = {
      call,
      params,
      caller,
      ...(id !== undefined && { id }),
      ...(terminal !== undefined && { terminal }),
      ...(onDisconnect !== undefined && { onDisconnect }),
    };
    this.#attachToRun(() => {
      const started = this.#deps.runs.start(request);
      return {
        attached: started,
        owns: true,
        writesInput: true,
        bytes,
        ...(started.existing && { cursor: { after: after ?? 0 } }),
      };
    });
  }

  #attach({ run, after = 0, last, input = false, bytes = false }: AttachMessage): void {
    const cursor = last === undefined ? { after } : { last };
    this.#attachToRun(() => ({
      attached: this.#deps.runs.attach(run, this.#connection.caller),
      owns: false,
      writesInput: input,
      bytes,
      cursor,
    }));
  }

  #attachToRun(resolve: () => Target): void {
    clearTimeout(this.#callTimer);
    try {
      const target = resolve();
      this.#attached = target.attached;
      // Drop the client, so that it connects again, to the next gateway, as after a crash.
      target.attached.activeRun?.onHandOver(() => this.#dropClient());
      this.#attachment = new RunAttachment({
        ...target,
        text: this.#connection.dialect.text,
        sink: this.#sink,
        limits: this.#limits,
        listener: this.#attachmentListener(),
      });
    } catch (error) {
      return this.#onRejected(error);
    }
    this.#attachment.start();
    const earlyInput = this.#earlyInput?.drain() ?? [];
    this.#earlyInput = undefined;
    for (const frame of earlyInput) this.#writeInput(frame);
  }

  #onRejected(error: unknown): void {
    if (!(error instanceof RunRejected)) this.#deps.log.error({ err: error }, 'cannot start a call');
    if (error instanceof RunRejected) this.#rejectionMessage = error.message;
    this.#earlyInput = undefined;
    this.#attachment?.detach();
    this.#attachment = undefined;
    this.#attached = undefined;
    this.#handle('rejected', undefined, rejectionEnding(error));
  }

  #attachmentListener(): AttachmentListener {
    const { dialect } = this.#connection;
    return {
      onAnnouncement: (message) => this.#sink.sendControl(dialect.announce?.(message)),
      onNotice: (code, message) => this.#sink.sendControl(dialect.notice?.({ notice: { code, message } })),
      onCredit: (message) => {
        // Send `received` at once and exactly once; later credits may be merged.
        if (message.input.received !== undefined) return this.#sink.sendControl(dialect.credit?.(message));
        this.#pendingCredit = message;
        this.#flushPending();
      },
      onInputOverflow: () => this.#handle('input-overflow'),
      onRunEnded: (record) => this.#onRunEnded(record),
      onLogUnreadable: (error) => this.#onLogUnreadable(error),
      onRejected: (error) => this.#onRejected(error),
    };
  }

  #bufferInput(frame: InputFrame): void {
    if (this.#earlyInput?.push(frame) === false) this.#handle('early-input-overflow');
  }

  /**
   * Writes input to the run. Pauses reading from the client only while the disk is behind with its input. Does not
   * pause when the work reads slowly, because control messages would wait as well.
   */
  #writeInput(frame: InputFrame): void {
    this.#attachment?.writeInput(frame);
    const drained = this.#attachment?.inputDrained();
    if (drained === undefined || this.#paused) return;
    this.#paused = true;
    this.#pauseOrResume();
    void drained.then(() => {
      this.#paused = false;
      this.lastHeardAt = performance.now();
      this.#pauseOrResume();
    });
  }

  #pauseOrResume(): void {
    const { ws } = this.#connection;
    if (this.#paused || this.#busy) ws.pause();
    else ws.resume();
  }

  #stopRun(): void {
    if (this.#attached === undefined) return this.#handle('ended');
    const { activeRun } = this.#attached;
    switch (this.#state.ending) {
      case 'done':
        return activeRun?.stop('cancelled');
      case 'shutdown':
        return activeRun?.stop('shutdown');
      case 'input-overflow':
        return activeRun?.stop('protocol', inputOverflowText(this.#limits));
      case undefined:
        return activeRun?.stop('protocol');
      default:
        return activeRun?.stop('protocol', `cancelled: ${defaultMessage(this.#state.ending)}`);
    }
  }

  #onRunEnded(record: RunRecord): void {
    this.#record = record;
    if (this.#attached?.run.faulted) this.#handle('fault');
    this.#handle('ended');
  }

  /** The log cannot be read, so the session cannot send its lines. If the session started the run, it stops the run. */
  #onLogUnreadable(error: unknown): void {
    this.#deps.log.error({ run: this.#attached?.run.id, err: error }, 'cannot read the log of a run');
    this.#handle('fault');
    void this.#attached?.run.ended.then((record) => this.#onRunEnded(record));
  }

  /**
   * Sends the result, and sends Close only when the result was flushed. Close starts a short timeout, but a slow client
   * may still have much output to read.
   */
  #finish(): void {
    clearTimeout(this.#callTimer);
    const { ws, dialect } = this.#connection;
    const ending = this.#state.ending ?? 'done';
    const result = buildResult({
      ending,
      next: this.#attachment?.next ?? 1,
      hadRun: this.#attachment !== undefined,
      record: this.#record,
      value: this.#attached?.run.value,
      rejectionMessage: this.#rejectionMessage,
    });
    // Detach first, so that nothing follows the result.
    this.#attachment?.detach();
    if (ws.readyState !== WebSocket.OPEN) return;
    ws.send(dialect.result(result, ending), { binary: true }, () => ws.closeAfterResult(dialect.closeCode(ending)));
  }

  #dropClient(): void {
    this.#handle('disconnected');
    this.#connection.ws.terminate();
  }

  #onSocketClosed(): void {
    this.#messages.flush();
    clearTimeout(this.#callTimer);
    this.#handle('disconnected');
    this.#attachment?.detach();
    this.#onClosed();
  }
}
