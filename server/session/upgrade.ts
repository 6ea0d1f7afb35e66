// The door to the sessions: every check before a websocket is accepted, in the documented order, each refusal an HTTP answer.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type ServerOptions } from 'ws';
import type { Caller } from '../../calls/contract/context.ts';
import { chooseDialect, subprotocols } from '../../protocol/dialects/choose.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Config } from '../config/config.ts';
import { answer, type HttpRefusal } from './answer.ts';
import { GuardedSocket } from './guarded-socket.ts';
import { Session, type Connection, type SessionParts } from './session.ts';

type Checked = { readonly accepted: true } | { readonly refused: string };

export interface UpgradeParts extends SessionParts {
  readonly config: () => Pick<Config, 'http'>;
  readonly access: {
    identify(headers: { readonly authorization?: string | undefined }): { readonly caller: Caller } | { readonly refused: string };
    checkHost(header: string | undefined, rules: { readonly listenHost: string; readonly domains: readonly string[] }): Checked;
    checkOrigin(headers: { readonly origin?: string | undefined; readonly host?: string | undefined }, rules: { readonly origins: readonly string[] }): Checked;
  };
}

/** How often sessions are looked at for pings and lost clients. */
const beatMs = 1000;

const wsPath = '/api/v1/ws';

/** All sessions of the gateway. */
export class Sessions {
  readonly #parts: UpgradeParts;
  readonly #open = new Set<Session>();
  #server: { readonly handshakes: WebSocketServer; readonly limits: Limits };
  #heart: NodeJS.Timeout;
  #stopping = false;
  #onEmpty: () => void = () => {};

  constructor(parts: UpgradeParts) {
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
    const admitted = this.#admit(request);
    if ('refused' in admitted) return answer(socket, admitted.refused);
    const limits = this.#parts.limits();
    if (this.#server.limits !== limits) this.#server = withLimits(limits);
    this.#server.handshakes.handleUpgrade(request, socket, head, (ws) => {
      this.#accept({ ws: ws as GuardedSocket, socket: socket as Socket, ...admitted });
    });
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

  #admit(request: IncomingMessage): { caller: Caller; dialect: Dialect } | { refused: HttpRefusal } {
    const { headers } = request;
    const { http } = this.#parts.config();
    const { access } = this.#parts;
    const path = (request.url ?? '').split('?')[0]!.replace(/\/$/, '');
    if (/^\/api(\/|$)/.test(path) && !http.api) return refuse('not_implemented');
    if ('refused' in access.checkHost(headers.host, { listenHost: http.host, domains: http.domains })) return refuse('unknown_host');
    if (path !== wsPath) return refuse('not_found', `no websocket here; it is at ${wsPath}`);
    const handshake = checkHandshake(request);
    if (handshake !== undefined) return { refused: handshake };
    if (this.#stopping) return refuse('stopping');
    if (this.#open.size >= this.#parts.limits().sessionsMax) return refuse('not_ready', 'too many sessions; try again later');
    const origin = access.checkOrigin(headers, http);
    if ('refused' in origin) return refuse('origin_refused', origin.refused);
    const identified = access.identify(headers);
    if ('refused' in identified) return refuse('invalid_credentials', identified.refused);
    const offered = offeredBy(request);
    if (!isListOfNames(offered)) return refuse('bad_request', 'Sec-WebSocket-Protocol is not a list of different subprotocols');
    const dialect = chooseDialect(offered);
    if (dialect === undefined) return refuse('bad_request', `unknown subprotocol; known: ${subprotocols.join(', ')}, or none`);
    return { caller: identified.caller, dialect };
  }
}

/** Makes the handshakes of sessions with these limits. */
function withLimits(limits: Limits): { handshakes: WebSocketServer; limits: Limits } {
  // The published types do not know `closeTimeout` yet.
  const options: ServerOptions<typeof GuardedSocket> & { closeTimeout: number } = {
    noServer: true, autoPong: false, clientTracking: false, perMessageDeflate: false, WebSocket: GuardedSocket,
    maxPayload: limits.messageBytesMax, closeTimeout: limits.closeMs,
    handleProtocols: (offered) => chooseDialect([...offered])?.name ?? false,
  };
  return { handshakes: new WebSocketServer(options) as unknown as WebSocketServer, limits };
}

/** The handshake of RFC 6455, 4.2.1; undefined when it is valid. */
function checkHandshake({ method, headers }: IncomingMessage): HttpRefusal | undefined {
  if (method !== 'GET') return { code: 'bad_request', message: `a websocket is opened with GET, not ${method}` };
  if (headers.upgrade?.toLowerCase() !== 'websocket') return { code: 'bad_request', message: 'not a websocket upgrade' };
  if (headers['sec-websocket-version'] !== '13') return { code: 'upgrade_required', message: 'websocket version 13 is needed' };
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) return { code: 'bad_request', message: 'Sec-WebSocket-Key is missing or invalid' };
  return undefined;
}

function offeredBy({ headers }: IncomingMessage): readonly string[] {
  const header = headers['sec-websocket-protocol'];
  return header === undefined ? [] : header.split(',').map((name) => name.trim());
}

/** RFC 6455, 4.1, point 10; RFC 9110, 5.6.2. What is not, ws would refuse in words of its own. */
function isListOfNames(offered: readonly string[]): boolean {
  return new Set(offered).size === offered.length && offered.every((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name));
}

function refuse(code: HttpRefusal['code'], message?: string): { refused: HttpRefusal } {
  return { refused: message === undefined ? { code } : { code, message } };
}
