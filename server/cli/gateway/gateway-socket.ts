// Websocket class of the command line, based on ws: reports why an upgrade was rejected and detects dead connections.

import { Agent, type IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { SocketConstructor } from '../../../protocol/client/client.ts';
import type { GatewayAddress } from './address.ts';
import type { HttpAnswer } from './connect-errors.ts';

export interface GatewaySocketOptions {
  /** Interval of pings. A connection that receives nothing between two pings counts as lost. */
  readonly pingMs: number;
  /** Called with the HTTP response to a rejected upgrade. */
  onRejected(answer: HttpAnswer): void;
  /** Called when a connection cannot be opened or fails. */
  onError(error: Error): void;
}

const bodyBytesMax = 64 << 10;

/**
 * The gateway disconnects a client that reads nothing for ten seconds, which by default cancels the run. A user can
 * keep a pager open for longer, so a paused socket reads a little from time to time.
 *
 * Each read frees enough of the receive buffer that the kernel accepts more data. Linux waits until a sixteenth of the
 * buffer is free, and a buffer has at most 6 MiB. The command stores this data in memory, so it reads no more.
 */
const pausedReadIntervalMs = 7_000;
const pausedReadBytes = 512 << 10;

export function createSocketClass(
  { headers, socketPath }: Pick<GatewayAddress, 'headers' | 'socketPath'>,
  options: GatewaySocketOptions,
): SocketConstructor {
  // ws drops an option `socketPath`, but an agent passes it on.
  const agent = socketPath === undefined ? undefined : new Agent({ socketPath } as object);
  return class extends WebSocket {
    #pausedReadTimer: NodeJS.Timeout | undefined;
    #bytesReadWhilePaused = 0;

    constructor(url: string, protocols: string[]) {
      super(url, protocols, { perMessageDeflate: false, maxPayload: 0, handshakeTimeout: 30_000, headers, agent });
      this.on('error', (error) => options.onError(error));
      this.on(
        'unexpected-response',
        (_request, response) =>
          void readAnswer(response).then((answer) => {
            options.onRejected(answer);
            this.terminate();
          }),
      );
      this.on('open', () => startPings(this, options.pingMs));
      this.on('close', () => clearInterval(this.#pausedReadTimer));
      this.on('message', (data) => this.#onBytes((data as ArrayBuffer | Buffer).byteLength));
    }

    override pause(): void {
      super.pause();
      this.#bytesReadWhilePaused = 0;
      this.#pausedReadTimer ??= setInterval(() => super.resume(), pausedReadIntervalMs);
    }

    override resume(): void {
      clearInterval(this.#pausedReadTimer);
      this.#pausedReadTimer = undefined;
      super.resume();
    }

    #onBytes(bytes: number): void {
      if (this.#pausedReadTimer === undefined) return;
      this.#bytesReadWhilePaused += bytes;
      if (this.#bytesReadWhilePaused >= pausedReadBytes) this.pause();
    }
  };
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const { statusCode: status = 0, statusMessage: statusText = '', headers } = response;
  return { status, statusText, location: headers.location, body: await readBody(response).catch(() => '') };
}

async function readBody(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) {
    body += chunk;
    if (body.length > bodyBytesMax) break;
  }
  return body;
}

/**
 * Sends pings, which also show the gateway that this client is alive: a paused socket does not answer the pings of the
 * gateway.
 */
function startPings(socket: WebSocket, pingMs: number): void {
  let alive = true;
  const markAlive = (): void => {
    alive = true;
  };
  socket.on('pong', markAlive).on('ping', markAlive).on('message', markAlive);
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    // A paused socket reads no pongs, so its silence does not count.
    alive = socket.isPaused;
    socket.ping();
  }, pingMs);
  socket.on('close', () => clearInterval(timer));
}
