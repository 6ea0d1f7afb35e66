// One session of the chaos: a stock websocket client that does what its plan says, and writes down what it was told.

import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Leaving, Plan } from './plan.ts';

export type Message = Readonly<Record<string, unknown>>;

export interface Visit {
  readonly plan: Plan;
  /** The call message was handed to the connection. */
  readonly asked: boolean;
  readonly left: boolean;
  readonly results: readonly Message[];
  /** Nothing came after the result. */
  readonly resultLast: boolean;
  readonly states: readonly string[];
  readonly run?: string;
  readonly texts: number;
  readonly textBytes: number;
  readonly closeCode: number;
}

const closedMs = 30_000;
const outputMs = 1_000;

/** Throws when the connection is still open long after everything was said. */
export async function visit(wsUrl: string, plan: Plan): Promise<Visit> {
  const client = new Client(wsUrl, plan);
  await client.perform();
  return client.told();
}

class Client {
  readonly #plan: Plan;
  readonly #ws: WebSocket;
  readonly #opened: Promise<void>;
  readonly #closed: Promise<number>;
  readonly #firstOutput: Promise<void>;
  readonly #results: Message[] = [];
  readonly #states: string[] = [];
  #tcp: Socket | undefined;
  #run: string | undefined;
  #asked = false;
  #left = false;
  #resultLast = false;
  #texts = 0;
  #textBytes = 0;
  #closeCode = 0;

  constructor(wsUrl: string, plan: Plan) {
    this.#plan = plan;
    const createConnection = (options: { port: number; host: string }): Socket => (this.#tcp = connect(options));
    this.#ws = new WebSocket(wsUrl, plan.dialect === 'v2' ? ['distillery.v2'] : [], { perMessageDeflate: false, createConnection } as object);
    this.#ws.on('error', () => {});
    this.#ws.on('message', (data: Buffer, isBinary) => this.#hear(data, isBinary));
    this.#opened = new Promise((resolve) => { this.#ws.once('open', resolve); });
    this.#closed = new Promise((resolve) => { this.#ws.once('close', resolve); });
    this.#firstOutput = new Promise((resolve) => { this.#ws.on('message', (_, isBinary) => { if (!isBinary) resolve(); }); });
  }

  async perform(): Promise<void> {
    const { manner, moment } = this.#plan;
    if (moment.type !== 'connecting') {
      await Promise.race([this.#opened, this.#closed]);
      if (moment.type !== 'silent') this.#ask();
    }
    await this.#wait();
    if (manner.type === 'leave') this.#leave(manner.how);
    else if (manner.type !== 'stay') this.#send({ signal: 'cancel' });
    // The moment itself is what is tried.
    if ('apartMs' in manner) await Promise.race([pause(manner.apartMs), this.#closed]);
    if (manner.type === 'cancel-twice') this.#send({ signal: 'cancel' });
    if (manner.type === 'cancel-and-leave') this.#leave(manner.how);
    await this.#end();
  }

  told(): Visit {
    return {
      plan: this.#plan, asked: this.#asked, left: this.#left, results: this.#results, resultLast: this.#resultLast, states: this.#states,
      texts: this.#texts, textBytes: this.#textBytes, closeCode: this.#closeCode, ...(this.#run !== undefined && { run: this.#run }),
    };
  }

  #ask(): void {
    const { kind, tag, input, manner } = this.#plan;
    this.#asked = true;
    this.#send({ call: kind.name, params: [tag] });
    for (let line = 0; line < input; line += 1) this.#sendRaw(`line ${line}`);
    if (manner.type === 'stay' && kind.reads === true) this.#send({ signal: 'close' });
  }

  async #wait(): Promise<void> {
    const { moment } = this.#plan;
    if (moment.type === 'first-output') await Promise.race([this.#firstOutput, this.#closed, pause(outputMs)]);
    else if (moment.type !== 'with-the-call') await Promise.race([pause(moment.ms), this.#closed]);
  }

  #leave(how: Leaving): void {
    if (this.#ws.readyState === WebSocket.CLOSED || this.#results.length > 0) return;
    this.#left = true;
    switch (how) {
      case 'close': return this.#ws.close();
      case 'terminate': return this.#ws.terminate();
      case 'reset': return void this.#tcp?.resetAndDestroy();
      case 'half-close': return void this.#tcp?.end();
      default: return how satisfies never;
    }
  }

  async #end(): Promise<void> {
    const enough = new AbortController();
    const late = pause(closedMs, undefined, { signal: enough.signal }).catch(() => undefined);
    const code = await Promise.race([this.#closed, late]);
    enough.abort();
    if (code === undefined) {
      this.#ws.terminate();
      throw new Error(`still connected after ${closedMs} ms: ${JSON.stringify(this.told())}`);
    }
    this.#closeCode = code;
  }

  #send(message: object): void {
    this.#sendRaw(Buffer.from(JSON.stringify(message)));
  }

  #sendRaw(data: string | Buffer): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.send(data);
  }

  #hear(data: Buffer, isBinary: boolean): void {
    this.#resultLast = false;
    if (!isBinary) {
      this.#texts += 1;
      this.#textBytes += data.length;
      return;
    }
    const message = JSON.parse(data.toString('utf8')) as Message;
    if ('success' in message) {
      this.#results.push(message);
      this.#resultLast = true;
    } else if ('run' in message) {
      const { id, state } = message['run'] as { id: string; state: string };
      this.#run = id;
      this.#states.push(state);
    }
  }
}
