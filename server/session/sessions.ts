// All websocket sessions of the gateway, from the upgrade to Close, and their heartbeat.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ServerOptions, WebSocketServer } from 'ws';
import { chooseDialect } from '../../protocol/dialects/choose.ts';
import type { Limits } from '../../protocol/limits.ts';
import { DeferredCloseSocket } from './deferred-close-socket.ts';
import { rejectUpgrade } from './reject-upgrade.ts';
import { type Connection, Session, type SessionDeps } from './session.ts';
import { checkUpgrade, requestEndpoint, type UpgradeCheckDeps } from './upgrade-check.ts';

export interface SessionsDeps extends SessionDeps, UpgradeCheckDeps {
  /** True while the gateway is stopping and accepts no new session. */
  readonly isStopping: () => boolean;
}

/** Longest time between two checks for pings and timeouts. */
const heartbeatIntervalMs = 1000;

/** All sessions of the gateway. */
export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #open = new Set<Session>();
  #server: { readonly handshakes: WebSocketServer; readonly limits: Limits };
  #heartbeatTimer: NodeJS.Timeout;
  #draining = false;
  #onEmpty: () => void = () => {};

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#server = createHandshakes(deps.limits());
    this.#heartbeatTimer = this.#scheduleHeartbeat();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Handles the 'upgrade' event of the HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const check = checkUpgrade(request, {
      ...this.#deps,
      stopping: this.#draining || this.#deps.isStopping(),
      full: this.#open.size >= this.#deps.limits().sessionsMax,
    });
    if ('rejected' in check) return rejectUpgrade(socket, check.rejected);
    const limits = this.#deps.limits();
    if (this.#server.limits !== limits) this.#server = createHandshakes(limits);
    this.#server.handshakes.handleUpgrade(request, socket, head, (ws) => {
      this.#accept({ ws: ws as DeferredCloseSocket, socket: socket as Socket, ...check });
    });
  }

  /** Accepts no more sessions, and ends each open one with a result and close code 1001. */
  drain(): void {
    this.#draining = true;
    for (const session of this.#open) session.drain();
  }

  /** Resolves when no session is open. */
  async waitUntilEmpty(): Promise<void> {
    if (this.#open.size > 0)
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
  }

  /** Stops the heartbeat. Call it when all sessions have ended. */
  dispose(): void {
    clearTimeout(this.#heartbeatTimer);
  }

  #accept(connection: Connection): void {
    const session: Session = new Session(this.#deps, connection, () => this.#remove(session));
    this.#open.add(session);
  }

  #remove(session: Session): void {
    this.#open.delete(session);
    if (this.#open.size === 0) this.#onEmpty();
  }

  #scheduleHeartbeat(): NodeJS.Timeout {
    const { pingMs, clientTimeoutMs, writeStallMs } = this.#deps.limits();
    return setTimeout(
      () => {
        const now = performance.now();
        for (const session of this.#open) session.heartbeat(now);
        this.#heartbeatTimer = this.#scheduleHeartbeat();
      },
      Math.min(heartbeatIntervalMs, pingMs, clientTimeoutMs / 2, writeStallMs / 2),
    ).unref();
  }
}

/** Creates the handshake server for sessions with these limits. */
function createHandshakes(limits: Limits): { handshakes: WebSocketServer; limits: Limits } {
  // The published types lack `closeTimeout`.
  const options: ServerOptions<typeof DeferredCloseSocket> & { closeTimeout: number } = {
    noServer: true,
    autoPong: false,
    clientTracking: false,
    perMessageDeflate: false,
    WebSocket: DeferredCloseSocket,
    maxPayload: limits.messageBytesMax,
    closeTimeout: limits.closeMs,
    handleProtocols: (offered, { url }) => chooseDialect([...offered], requestEndpoint(url))?.name ?? false,
  };
  return { handshakes: new WebSocketServer(options) as unknown as WebSocketServer, limits };
}
