// Runs one session of the chaos test: a ws client that follows its plan and records what it receives.

import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { DisconnectMethod, SessionPlan } from './session-plan.ts';

export type Message = Readonly<Record<string, unknown>>;

export interface SessionResult {
  readonly plan: SessionPlan;
  /** True if the client has tried to send the call message. */
  readonly callSent: boolean;
  readonly disconnected: boolean;
  readonly results: readonly Message[];
  /** True if no message followed the result. */
  readonly resultLast: boolean;
  readonly states: readonly string[];
  readonly run?: string;
  readonly texts: number;
  readonly textBytes: number;
  readonly closeCode: number;
}

const closedMs = 60_000;
const outputMs = 1_000;

/** Runs a plan. Rejects if the connection stays open long after the end of the plan. */
export async function runSession(wsUrl: string, plan: SessionPlan): Promise<SessionResult> {
  const client = new Client(wsUrl, plan);
  await client.perform();
  return client.result();
}

class Client {
  readonly #plan: SessionPlan;
  readonly #ws: WebSocket;
  readonly #opened: Promise<void>;
  readonly #closed: Promise<number>;
  readonly #firstOutput: Promise<void>;
  readonly #results: Message[] = [];
  readonly #states: string[] = [];
  #tcp: Socket | undefined;
  #run: string | undefined;
  #callSent = false;
  #disconnected = false;
  #resultLast = false;
  #texts = 0;
  #textBytes = 0;
  #closeCode = 0;

  constructor(wsUrl: string, plan: SessionPlan) {
    this.#plan = plan;
    const createConnection = (options: { port: number; host: string }): Socket => (this.#tcp = connect(options));
    this.#ws = new WebSocket(wsUrl, plan.dialect === 'v2' ? ['distillery.v2'] : [], {
      perMessageDeflate: false,
      createConnection,
    } as object);
    this.#ws.on('error', () => {});
    this.#ws.on('message', (data: Buffer, isBinary) => this.#onMessage(data, isBinary));
    this.#opened = new Promise((resolve) => {
      this.#ws.once('open', resolve);
    });
    this.#closed = new Promise((resolve) => {
      this.#ws.once('close', resolve);
    });
    this.#firstOutput = new Promise((resolve) => {
      this.#ws.on('message', (_, isBinary) => {
        if (!isBinary) resolve();
      });
    });
  }

  async perform(): Promise<void> {
    const { ending, moment } = this.#plan;
    if (moment.type !== 'connecting') {
      await Promise.race([this.#opened, this.#closed]);
      if (moment.type !== 'before-call') this.#sendCall();
    }
    await this.#waitForMoment();
    if (ending.type === 'disconnect') this.#disconnect(ending.how);
    else if (ending.type !== 'wait-for-result') this.#send({ signal: 'cancel' });
    // The random delay is what the chaos test is about.
    if ('apartMs' in ending) await Promise.race([pause(ending.apartMs), this.#closed]);
    if (ending.type === 'cancel-twice') this.#send({ signal: 'cancel' });
    if (ending.type === 'cancel-and-disconnect') this.#disconnect(ending.how);
    await this.#waitForClose();
  }

  result(): SessionResult {
    return {
      plan: this.#plan,
      callSent: this.#callSent,
      disconnected: this.#disconnected,
      results: this.#results,
      resultLast: this.#resultLast,
      states: this.#states,
      texts: this.#texts,
      textBytes: this.#textBytes,
      closeCode: this.#closeCode,
      ...(this.#run !== undefined && { run: this.#run }),
    };
  }

  #sendCall(): void {
    const { kind, tag, input, ending } = this.#plan;
    this.#callSent = true;
    this.#send({ call: kind.name, params: [tag] });
    for (let line = 0; line < input; line += 1) this.#sendRaw(`line ${line}`);
    if (ending.type === 'wait-for-result' && kind.readsInput === true) this.#send({ signal: 'close' });
  }

  async #waitForMoment(): Promise<void> {
    const { moment } = this.#plan;
    if (moment.type === 'first-output') await Promise.race([this.#firstOutput, this.#closed, pause(outputMs)]);
    else if (moment.type !== 'with-the-call') await Promise.race([pause(moment.ms), this.#closed]);
  }

  #disconnect(how: DisconnectMethod): void {
    if (this.#ws.readyState === WebSocket.CLOSED || this.#results.length > 0) return;
    this.#disconnected = true;
    switch (how) {
      case 'close':
        return this.#ws.close();
      case 'terminate':
        return this.#ws.terminate();
      case 'reset':
        return void this.#tcp?.resetAndDestroy();
      case 'half-close':
        return void this.#tcp?.end();
      default:
        return how satisfies never;
    }
  }

  async #waitForClose(): Promise<void> {
    const finished = new AbortController();
    const timeout = pause(closedMs, undefined, { signal: finished.signal }).catch(() => undefined);
    const code = await Promise.race([this.#closed, timeout]);
    finished.abort();
    if (code === undefined) {
      this.#ws.terminate();
      throw new Error(`still connected after ${closedMs} ms: ${JSON.stringify(this.result())}`);
    }
    this.#closeCode = code;
  }

  #send(message: object): void {
    this.#sendRaw(Buffer.from(JSON.stringify(message)));
  }

  #sendRaw(data: string | Buffer): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.send(data);
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
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
