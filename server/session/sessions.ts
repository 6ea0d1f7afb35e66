// All sessions of the gateway: from the upgrade to the last Close, and their heartbeat between.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type ServerOptions } from 'ws';
import { chooseDialect } from '../../protocol/dialects/choose.ts';
import type { Limits } from '../../protocol/limits.ts';
import { admit, endpointOf, type AdmissionParts } from './admission.ts';
import { answer } from './answer.ts';
import { GuardedSocket } from './guarded-socket.ts';
import { Session, type Connection, type SessionParts } from './session.ts';

export interface SessionsParts extends SessionParts, AdmissionParts {}

/** How often sessions are looked at for pings and lost clients. */
const beatMs = 1000;

/** All sessions of the gateway. */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #open = new Set<Session>();
  #server: { readonly handshakes: WebSocketServer; readonly limits: Limits };
  #heart: NodeJS.Timeout;
  #stopping = false;
  #onEmpty: () => void = () => {};

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#server = withLimits(parts.limits());
    this.#heart = this.#beatLater();
  }

  get size(): number {
    return this.#open.size;
  }

  /** For the 'upgrade' event of the HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const admitted = admit(request, { ...this.#parts, stopping: this.#stopping, full: this.#open.size >= this.#parts.limits().sessionsMax });
    if ('refused' in admitted) return answer(socket, admitted.refused);
    const limits = this.#parts.limits();
    if (this.#server.limits !== limits) this.#server = withLimits(limits);
    this.#server.handshakes.handleUpgrade(request, socket, head, (ws) => {
      this.#accept({ ws: ws as GuardedSocket, socket: socket as Socket, ...admitted });
    });
  }

  /** Accepts no more; those that are open go on. */
  admitNoMore(): void {
    this.#stopping = true;
  }

  /** Accepts no more; every session ends with a result and 1001. */
  shutDown(): void {
    this.#stopping = true;
    for (const session of this.#open) session.shutDown();
  }

  /** Resolves when no session is open. */
  async empty(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => { this.#onEmpty = resolve; });
  }

  /** Stops looking after the sessions; those still open are to be gone by then. */
  close(): void {
    clearTimeout(this.#heart);
  }

  #accept(connection: Connection): void {
    const session: Session = new Session(this.#parts, connection, () => this.#remove(session));
    this.#open.add(session);
  }

  #remove(session: Session): void {
    this.#open.delete(session);
    if (this.#open.size === 0) this.#onEmpty();
  }

  #beatLater(): NodeJS.Timeout {
    const { pingMs, lostMs, writeStallMs } = this.#parts.limits();
    return setTimeout(() => {
      const now = performance.now();
      for (const session of this.#open) session.beat(now);
      this.#heart = this.#beatLater();
    }, Math.min(beatMs, pingMs, lostMs / 2, writeStallMs / 2)).unref();
  }
}

/** Makes the handshakes of sessions with these limits. */
function withLimits(limits: Limits): { handshakes: WebSocketServer; limits: Limits } {
  // The published types do not know `closeTimeout` yet.
  const options: ServerOptions<typeof GuardedSocket> & { closeTimeout: number } = {
    noServer: true, autoPong: false, clientTracking: false, perMessageDeflate: false, WebSocket: GuardedSocket,
    maxPayload: limits.messageBytesMax, closeTimeout: limits.closeMs,
    handleProtocols: (offered, { url }) => chooseDialect([...offered], endpointOf(url))?.name ?? false,
  };
  return { handshakes: new WebSocketServer(options) as unknown as WebSocketServer, limits };
}
