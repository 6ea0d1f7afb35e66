// The API of the pin daemon: pipelines are triggered and watched as its clients do, and each of them is a run.

import { mkdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { within } from '../../support/within.ts';
import { runsKept } from './call.ts';
import { Desk } from './desk.ts';
import type { PinEvent } from './events/event.ts';
import { Journal } from './events/journal.ts';
import { PinStreams } from './events/streams.ts';
import { isExposed, refusalToOpen } from './exposure.ts';
import { listenerError } from './listener-error.ts';
import type { PinParts } from './parts.ts';
import { Pipelines } from './pipelines.ts';
import { PinRefusal } from './refusal.ts';
import type { DoorParts } from './routes/route.ts';
import { Ledger } from './runs/ledger.ts';
import { PinRuns } from './runs/runs.ts';
import { failed } from './runs/told.ts';

/** For readers to take the last events, when the door is closed. */
const farewellMs = 2_000;
/** Connections waiting to be accepted. */
const backlog = 1024;

export class PinDoor {
  readonly #parts: PinParts;
  readonly #journal: Journal;
  readonly #runs: PinRuns;
  readonly #streams: PinStreams;
  readonly #pipelines: Pipelines;
  readonly #desk: Desk;
  #held: PinEvent | undefined;
  #server: Server | undefined;
  #stopping = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: PinParts, journal: Journal) {
    const { options, folder, limits, log } = parts;
    const uploads = join(folder, 'uploads');
    rmSync(uploads, { recursive: true, force: true });
    mkdirSync(uploads, { recursive: true, mode: 0o750 });
    this.#parts = parts;
    this.#journal = journal;
    const ledger = new Ledger(join(folder, 'runs'), { runsMax: runsKept });
    this.#runs = new PinRuns({ ...parts, journal, ledger });
    this.#streams = new PinStreams({ journal, limits, held: () => this.#held, log });
    this.#pipelines = new Pipelines({ ...parts, journal, runs: this.#runs });
    const door: DoorParts = {
      ...parts, journal, uploads, runs: this.#runs, streams: this.#streams, pipelines: this.#pipelines, secrets: secretsOf(parts),
      startedMs: Date.now(), isStopping: () => this.#stopping,
    };
    this.#desk = new Desk(door, { prefix: options.prefix ?? '' });
  }

  /**
   * Goes on from what an earlier door left in the folder, and opens. To be called when the runs of an earlier gateway are settled. Throws when it would be
   * open to strangers, a secret is missing, the folder cannot be used, or the address cannot be listened on; nothing is left open then.
   */
  static async open(parts: PinParts): Promise<PinDoor> {
    const { options, gatewayHost, folder, limits, log } = parts;
    const refusal = refusalToOpen(options, gatewayHost);
    if (refusal !== undefined) throw new Error(refusal);
    if (options.token === undefined && isExposed(options, gatewayHost)) {
      log.warn({ listen: options.listen }, 'THE PIN DOOR IS OPEN TO EVERYBODY who can reach this machine: anybody may run pipelines here (doors.pin.withoutToken); host jobs are refused');
    }
    const journal = await Journal.open({ folder, bytesMax: options.eventsBytes, limits: limits(), log });
    try {
      const door = new PinDoor(parts, journal);
      await door.#begin();
      return door;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** Whether a request to this address of the gateway's own server is to be answered here. */
  has(url = ''): boolean {
    const { prefix } = this.#parts.options;
    return prefix !== undefined && (url === prefix || (url.startsWith(prefix) && /[/?]/.test(url[prefix.length]!)));
  }

  /** For the 'request' event of the gateway's own server. Answers everything, and never throws. */
  readonly answer = (request: IncomingMessage, response: ServerResponse): void => this.#desk.answer(request, response);

  /** `http://host:port` of its own address; undefined when it has none. */
  get url(): string | undefined {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (address === undefined || address === null) return undefined;
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  /** Takes no more pipelines and opens no more streams. Those that are there go on. */
  admitNoMore(): void {
    this.#stopping = true;
    this.#runs.admitNoMore();
  }

  /** Says goodbye, and ends every stream and its own server. To be called when all runs have ended. Safe twice. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #begin(): Promise<void> {
    await this.#runs.settleLost();
    await this.#listen();
    this.#announce();
    const { initial } = this.#parts.options;
    if (initial !== undefined) void this.#runInitial(initial);
  }

  async #listen(): Promise<void> {
    const { options: { listen }, limits, log } = this.#parts;
    if (listen === undefined) return;
    // A large upload takes its time; one that stands still is noticed by whoever reads it.
    const server = createServer({ requestTimeout: 0, headersTimeout: limits().requestMs, connectionsCheckingInterval: 1_000 }, this.#desk.answer);
    server.on('clientError', listenerError);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...listen, backlog }, resolve);
    });
    this.#server = server;
    log.info({ url: this.url }, 'the pin door is open');
  }

  /** Told to whoever comes later, too: there was nobody to hear it. */
  #announce(): void {
    const { prefix = '' } = this.#parts.options;
    const endpoints = { sse_endpoint: `${prefix}/events`, health_endpoint: `${prefix}/health`, runs_endpoint: `${prefix}/runs` };
    this.#held = { type: 'daemon_start', level: 'info', message: 'PIN daemon started successfully', timestamp: new Date().toISOString(), ...endpoints };
    this.#journal.append(this.#held);
  }

  /** Never rejects. */
  async #runInitial(file: string): Promise<void> {
    const { log } = this.#parts;
    const origin = { source: 'initial_file', file: basename(file) } as const;
    try {
      const text = await readFile(file);
      await this.#pipelines.take({ text, origin });
    } catch (error) {
      log.error({ err: error }, 'the initial pipeline cannot be run');
      // What the text is refused for has been told.
      if (!(error instanceof PinRefusal)) this.#journal.append(failed(origin, 'the file cannot be read'));
    }
  }

  async #close(): Promise<void> {
    this.admitNoMore();
    await this.#runs.idle();
    this.#journal.append({ type: 'daemon_stop', level: 'info', message: 'PIN daemon shutting down' });
    // Streams end when they have told all of it.
    await this.#journal.close();
    await within(farewellMs, this.#streams.empty(), () => undefined);
    this.#streams.close();
    await this.#closeServer();
  }

  async #closeServer(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await within(farewellMs, closed, () => server.closeAllConnections());
    await closed;
  }
}

function secretsOf({ options: { token, github }, secret }: PinParts): DoorParts['secrets'] {
  return { ...(token !== undefined && { token: secret(token) }), ...(github?.secret !== undefined && { github: secret(github.secret) }) };
}
