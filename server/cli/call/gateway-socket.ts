// The websocket of the command line: the ws package's, which also says why an upgrade was refused, and notices a dead connection.

import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { SocketConstructor } from '../../../protocol/client.ts';

/** An HTTP answer in place of the upgrade. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

export interface SocketWatch {
  /** How often the gateway is asked for a sign of life; without one until the next time the connection counts as lost. */
  readonly pingMs: number;
  onRefusal(refusal: Refusal): void;
}

const bodyBytesMax = 64 << 10;

export function gatewaySocket(watch: SocketWatch): SocketConstructor {
  return class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { perMessageDeflate: false, maxPayload: 0, handshakeTimeout: 30_000 });
      this.on('unexpected-response', (_request, response) => void readRefusal(response).then((refusal) => {
        watch.onRefusal(refusal);
        this.terminate();
      }));
      this.on('open', () => keepAlive(this, watch.pingMs));
    }
  };
}

/** The gateway's errors are JSON with a message; whatever else answers there is quoted by its status text. */
async function readRefusal(response: IncomingMessage): Promise<Refusal> {
  const status = response.statusCode ?? 0;
  const body = await readBody(response).catch(() => '');
  return { status, message: messageIn(body) ?? response.statusMessage ?? '' };
}

async function readBody(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) {
    body += chunk;
    if (body.length > bodyBytesMax) break;
  }
  return body;
}

function messageIn(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

function keepAlive(socket: WebSocket, pingMs: number): void {
  let alive = true;
  const heard = (): void => { alive = true; };
  socket.on('pong', heard).on('ping', heard).on('message', heard);
  const timer = setInterval(() => {
    // While we do not read, no sign of life can reach us: nothing follows from the silence.
    if (!alive && !socket.isPaused) return socket.terminate();
    alive = socket.isPaused;
    // The gateway counts pongs. Its pings lie unread while we are paused, so it gets one unasked (RFC 6455, 5.5.3).
    if (socket.isPaused) socket.pong();
    else socket.ping();
  }, pingMs);
  socket.on('close', () => clearInterval(timer));
}
