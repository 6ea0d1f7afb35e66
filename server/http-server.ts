// Owns the listeners of the gateway and dispatches requests, upgrades and client errors to its features.

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { answerClientError, isConnectionLost } from './http/kit/client-error.ts';
import type { Feature } from './http/kit/feature.ts';
import { ignoreUpgrade } from './http/kit/ignore-upgrade.ts';
import { targetError, targetPath } from './http/kit/request-guard.ts';
import { createRequestHandler } from './http/kit/request-handler.ts';
import { RequestOrder } from './http/kit/request-order.ts';
import type { RouteTable } from './http/kit/route-table.ts';
import { withTimeout } from './support/with-timeout.ts';

export interface HttpServerOptions {
  /**
   * Address of the main listener, or the path of a Unix socket. Absent: only features with an address of their own get
   * a listener.
   */
  readonly listen?: { readonly host: string; readonly port: number } | { readonly socket: string };
  /** Returns how many milliseconds an idle connection stays open. */
  readonly keepAliveMs: () => number;
  /** Milliseconds within which the head of a request must arrive. Also the default limit for the whole request. */
  readonly requestMs: number;
}

/** Maximum number of connections that wait to be accepted. The kernel's limit (net.core.somaxconn) may be lower. */
const backlog = 4096;
/** Time for the last responses when the server closes. */
const closeMs = 2_000;

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #main: Server | undefined;
  readonly #listeners: { readonly server: Server; readonly address: Address }[] = [];
  /** Connections that have not sent a request yet. Node does not count them as idle. */
  readonly #unused = new Set<Duplex>();
  #closed: Promise<unknown> | undefined;

  /** A feature whose routes name a listen address gets a listener of its own; all others share the main one. */
  constructor(features: readonly Feature[], options: HttpServerOptions) {
    this.#options = options;
    const tables = features.flatMap(({ routes }) => routes ?? []);
    const shared = tables.filter(({ listen }) => listen === undefined);
    if (options.listen !== undefined) {
      this.#main = this.#createServer(shared, features);
      this.#listeners.push({ server: this.#main, address: options.listen });
    }
    for (const table of tables.filter(({ listen }) => listen !== undefined))
      this.#listeners.push({ server: this.#createServer([table], []), address: table.listen! });
  }

  /** `http://host:port` of the main listener; `unix:path` for a Unix socket. */
  get url(): string {
    return listenUrl(this.#main!);
  }

  /**
   * Closes the connections of all listeners. This feature precedes those that use the connections, so it closes after
   * them.
   */
  get connections(): Feature {
    return { name: 'connections', close: () => this.#closeConnections() };
  }

  /**
   * Opens the listeners. This feature follows those that serve requests, so it opens after them and drains before them.
   */
  get listeners(): Feature {
    return { name: 'listeners', open: () => this.#listen(), drain: () => void this.#stopListening() };
  }

  #createServer(tables: readonly RouteTable[], features: readonly Feature[]): Server {
    const { keepAliveMs, requestMs } = this.#options;
    const order = new RequestOrder();
    const handle = createDispatcher(tables);
    const server = createServer(
      {
        keepAliveTimeout: keepAliveMs(),
        headersTimeout: requestMs,
        requestTimeout: requestTimeout(tables, requestMs),
        connectionsCheckingInterval: 1000,
      },
      (request, response) => order.add(request.socket, { response, start: () => handle(request, response) }),
    );
    // A changed configuration applies to new connections.
    server.on('connection', () => {
      server.keepAliveTimeout = keepAliveMs();
    });
    const { errorFormat } = defaultTable(tables);
    server.on('clientError', (error, socket) => {
      if (isConnectionLost(error)) socket.destroy();
      else order.addError(socket, () => answerClientError(error, socket, errorFormat));
    });
    if (features.some(({ upgrade }) => upgrade !== undefined))
      server.on('upgrade', (request, socket, head) =>
        order.add(socket, { start: () => dispatchUpgrade({ request, socket, head }, features, handle) }),
      );
    this.#trackUnused(server);
    return server;
  }

  #trackUnused(server: Server): void {
    const unused = this.#unused;
    // One shared listener, removed after the upgrade, because an idle websocket should cost little memory.
    function forget(this: Duplex): void {
      unused.delete(this);
      this.off('close', forget);
    }
    server.on('connection', (socket) => unused.add(socket.on('close', forget)));
    server.prependListener('request', ({ socket }: IncomingMessage) => unused.delete(socket));
    if (server.listenerCount('upgrade') > 0)
      server.prependListener('upgrade', (_request: IncomingMessage, socket: Duplex) => forget.call(socket));
  }

  async #listen(): Promise<void> {
    for (const { server, address } of this.#listeners) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ ...('socket' in address ? { path: address.socket } : address), backlog }, resolve);
      });
      if ('port' in address) address.onListening?.(listenUrl(server));
    }
  }

  #stopListening(): Promise<unknown> {
    return (this.#closed ??= Promise.all(
      this.#listeners.map(({ server }) => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeIdleConnections();
        return closed;
      }),
    ));
  }

  /**
   * Waits up to `closeMs` for the last responses, then closes all connections. Closes unused connections at once,
   * because no response is pending on them.
   */
  async #closeConnections(): Promise<void> {
    const closed = this.#stopListening();
    for (const socket of this.#unused) socket.destroy();
    const timer = setInterval(() => this.#each((server) => server.closeIdleConnections()), 10);
    await withTimeout(closeMs, closed, () => this.#each((server) => server.closeAllConnections()));
    clearInterval(timer);
    await closed;
  }

  #each(action: (server: Server) => void): void {
    for (const { server } of this.#listeners) action(server);
  }
}

type Address =
  | { readonly socket: string }
  | { readonly host: string; readonly port: number; onListening?(url: string): void };

function listenUrl(server: Server): string {
  const listening = server.address() as AddressInfo | string;
  if (typeof listening === 'string') return `unix:${listening}`;
  const { address, family, port } = listening;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** Returns the longest limit of the tables; 0 means no limit. */
function requestTimeout(tables: readonly RouteTable[], requestMs: number): number {
  const timeouts = tables.map(({ requestTimeoutMs }) => requestTimeoutMs ?? requestMs);
  return timeouts.includes(0) ? 0 : Math.max(...timeouts);
}

/**
 * Returns the table for all paths outside of the other tables: the one without a base, or the only one of a listener.
 */
function defaultTable(tables: readonly RouteTable[]): RouteTable {
  return tables.find(({ base }) => base === '') ?? tables[0]!;
}

function createDispatcher(tables: readonly RouteTable[]): RequestListener {
  const fallback = createRequestHandler(defaultTable(tables));
  const prefixed = tables
    .filter(({ base }) => base !== '')
    .map((table) => ({ base: table.base, handle: createRequestHandler(table) }));
  return (request, response) => {
    const path = targetPath(request.url);
    const match = prefixed.find(({ base }) => path === base || path.startsWith(`${base}/`));
    (match?.handle ?? fallback)(request, response);
  };
}

interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** If no feature offers the upgrade, answers the request as if it had not asked for one (RFC 9110, 7.8). */
function dispatchUpgrade(
  { request, socket, head }: UpgradeRequest,
  features: readonly Feature[],
  handle: RequestListener,
): void {
  // Normalizes the target. The error does not matter here: the feature reports it in its own format.
  void targetError(request);
  if (features.some((feature) => feature.upgrade?.(request, socket, head) === true)) return;
  ignoreUpgrade(handle, request, socket);
}
