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

/**
 * A gateway takes a client that reads nothing for ten seconds for dead and cancels its run. A person in front of a pager is not dead:
 * while paused we take a sip now and then. It has to be large enough for the kernel to open its window again (Linux waits until a
 * sixteenth of a buffer of up to 6 MiB is free), and small enough to be kept in memory.
 */
const sipMs = 7_000;
const sipLength = 512 << 10;

export function gatewaySocket(watch: SocketWatch): SocketConstructor {
  return class extends WebSocket {
    #sips: NodeJS.Timeout | undefined;
    #sipped = 0;

    constructor(url: string, protocols: string[]) {
      super(url, protocols, { perMessageDeflate: false, maxPayload: 0, handshakeTimeout: 30_000 });
      this.on('unexpected-response', (_request, response) => void readRefusal(response).then((refusal) => {
        watch.onRefusal(refusal);
        this.terminate();
      }));
      this.on('open', () => keepAlive(this, watch.pingMs));
      this.on('close', () => clearInterval(this.#sips));
      this.on('message', (data) => this.#took((data as ArrayBuffer | Buffer).byteLength));
    }

    override pause(): void {
      super.pause();
      this.#sipped = 0;
      this.#sips ??= setInterval(() => super.resume(), sipMs);
    }

    override resume(): void {
      clearInterval(this.#sips);
      this.#sips = undefined;
      super.resume();
    }

    #took(bytes: number): void {
      if (this.#sips === undefined) return;
      this.#sipped += bytes;
      if (this.#sipped >= sipLength) this.pause();
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

/** Our pings are a sign of life for the gateway too, which its own are not while we are paused and they lie unread. */
function keepAlive(socket: WebSocket, pingMs: number): void {
  let alive = true;
  const heard = (): void => { alive = true; };
  socket.on('pong', heard).on('ping', heard).on('message', heard);
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    // While we do not read, nothing can be heard, and nothing follows from the silence.
    alive = socket.isPaused;
    socket.ping();
  }, pingMs);
  socket.on('close', () => clearInterval(timer));
}
