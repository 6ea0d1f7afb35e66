// The gateway: the one place that introduces everybody to each other, and ends them in order.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Call } from '../calls/contract/call.ts';
import type { Caller } from '../calls/contract/context.ts';
import type { Availability, EngineName } from '../calls/contract/engines.ts';
import { quote } from '../calls/contract/quote.ts';
import { errors } from '../protocol/errors.ts';
import { runStates, type RunState } from '../protocol/record.ts';
import { checkHost } from './auth/hosts.ts';
import { identify } from './auth/identify.ts';
import { checkOrigin } from './auth/origins.ts';
import { allows, scopeText } from './auth/scopes.ts';
import { callsOf, type Calls } from './calls.ts';
import type { Config } from './config/config.ts';
import { readSecret } from './config/secret.ts';
import { PinDoor } from './doors/pin/door.ts';
import { PowDoor } from './doors/pow/door.ts';
import { artifactsOf, createEngines, type GatewayEngines } from './engines.ts';
import { createHttpApp } from './http/app.ts';
import { answerClientError } from './http/client-error.ts';
import { callListing } from './http/listing.ts';
import { EventStreams } from './http/events/streams.ts';
import { createNewsShelf } from './http/news/shelf.ts';
import type { HttpParts, Status } from './http/parts.ts';
import { serveWithoutUpgrade } from './http/without-upgrade.ts';
import { planText } from './pipeline/engine.ts';
import { pipelineSchema } from './pipeline/language/schema.ts';
import { adoptRun } from './runs/adopt.ts';
import { reconcile } from './runs/reconcile.ts';
import { Refusal } from './runs/refusal.ts';
import { Runs, type Attached, type Started, type StartRequest } from './runs/runs.ts';
import { Retention } from './runs/retention.ts';
import { openStore, type RunStore } from './runs/store.ts';
import { lookAfter, Watching } from './runs/watching.ts';
import { wantsWebsocket } from './session/admission.ts';
import { Sessions } from './session/sessions.ts';
import type { Logger } from './support/logger.ts';
import { within } from './support/within.ts';

export interface GatewayOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  /** Engine addresses to try after the usual ones. */
  readonly engines?: readonly string[];
}

export interface Gateway {
  /** `http://host:port` */
  readonly url: string;
  /** Takes another configuration; keys that need a restart are to be as they were. Runs go on as they were started. */
  reload(config: Config): void;
  /** The file has mistakes; nothing changes, and `/status` says so. */
  reportProblems(count: number): void;
  /**
   * Takes no more runs and sessions, gives those that run `shutdown.grace` to end by themselves, ends the rest with the cause `shutdown`, and then
   * everything else. Safe twice.
   */
  stop(): Promise<void>;
  /** Skips the rest of every grace, that of `stop` too. */
  hurry(): void;
}

/** Connections waiting to be accepted; the kernel's own bound (net.core.somaxconn) may be lower. */
const backlog = 4096;
/** For a request that brings files, at a door under a prefix: the door itself notices when they do not come. */
const uploadMs = 600_000;

/**
 * Ends what an earlier gateway left behind, then listens. Throws when the data folder cannot be used, is in use by another gateway, or the
 * address cannot be listened on; nothing is left open then.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config } = options;
  mkdirSync(config.data, { recursive: true, mode: 0o750 });
  const store = openStore(config.data);
  try {
    return await new House(options, store).open();
  } catch (error) {
    store.close();
    throw error;
  }
}

/** A configuration and what is made from it, swapped as one. */
interface Current extends Calls {
  readonly config: Config;
}

class House implements Gateway {
  readonly #options: GatewayOptions;
  readonly #store: RunStore;
  readonly #engines: GatewayEngines;
  readonly #runs: Runs;
  readonly #sessions: Sessions;
  readonly #streams: EventStreams;
  readonly #retention: Retention;
  readonly #pow: PowDoor;
  #pin: PinDoor | undefined;
  readonly #server: Server;
  readonly #startedAt = new Date();
  readonly #reconcile: () => Promise<void>;
  #current: Current;
  #lastReload: Status['lastReload'];
  #stopping: Promise<void> | undefined;

  constructor(options: GatewayOptions, store: RunStore) {
    const { config, log } = options;
    this.#options = options;
    this.#store = store;
    this.#current = { config, ...callsOf(config) };
    const now = () => this.#current.config;
    this.#engines = createEngines({ config, now, gateway: gatewayId(config.data), ...(options.engines !== undefined && { candidates: options.engines }), log });
    const { engines, releasers, docker, awaitsInput } = this.#engines;
    const folder = join(config.data, 'runs');
    const shared = { store, engines, releasers, limits: config.limits, log };
    const watching = new Watching({ limits: () => now().limits, awaitsInput, log });
    this.#runs = new Runs({
      ...shared, folder, node: config.node, registry: () => this.#current.all, allows, scopeText,
      onRun: (run) => lookAfter(run, watching), onStored: (record) => this.#retention.ended(record),
    });
    this.#retention = new Retention({
      store, folder, log, growing: () => this.#runs.live(), sweepMs: () => now().limits.sweepMs,
      rules: () => ({ overall: now().retention, of: (call) => this.#current.all.get(call)?.retention }),
    });
    this.#streams = new EventStreams({ limits: () => now().limits, on: () => now().http.api, log });
    const folderOf = (run: string): string => join(folder, run);
    this.#reconcile = () => reconcile({ ...shared, folderOf, adopt: (record) => adoptRun(record, { ...shared, folderOf, foster: docker, runs: this.#runs }) });
    this.#sessions = new Sessions({ runs: { start: (request) => this.#start(request), attach: (run, caller) => this.#attach(run, caller) }, limits: () => now().limits, config: now, access: { identify, allows, checkHost, checkOrigin }, log });
    this.#pow = new PowDoor({
      runs: { start: (request) => this.#start(request), watch: (run) => this.#runs.watch(run) }, config: now, access: { identify, allows, scopeText, checkHost, checkOrigin }, log,
    });
    const readOnly = createHttpApp(this.#httpParts());
    const app: RequestListener = (request, response) => {
      if (PowDoor.has(request.url)) this.#pow.answer(request, response);
      else if (this.#pin?.has(request.url) === true) this.#pin.answer(request, response);
      else readOnly(request, response);
    };
    const requestTimeout = config.doors.pin?.prefix === undefined ? config.limits.requestMs : Math.max(config.limits.requestMs, uploadMs);
    this.#server = createServer({ requestTimeout, headersTimeout: config.limits.requestMs, connectionsCheckingInterval: 1000 }, app);
    this.#server.on('upgrade', (request, socket, head) => {
      if (wantsWebsocket(request)) this.#sessions.upgrade(request, socket, head);
      else serveWithoutUpgrade(app, request, socket);
    });
    this.#server.on('clientError', (error, socket) => answerClientError(error, socket));
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async open(): Promise<Gateway> {
    await this.#reconcile();
    const { host, port } = this.#current.config.http;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog }, resolve);
    });
    await this.#openPin();
    this.#retention.start();
    this.#options.log.info({ url: this.url, calls: this.#current.config.calls.length }, 'listening');
    return this;
  }

  reload(config: Config): void {
    this.#current = { config, ...callsOf(config) };
    this.#lastReload = { at: new Date().toISOString(), ok: true, problems: 0 };
    this.#options.log.info({ api: config.http.api, calls: config.calls.length }, 'configuration reloaded');
  }

  reportProblems(problems: number): void {
    this.#lastReload = { at: new Date().toISOString(), ok: false, problems };
    this.#options.log.error({ problems }, 'the configuration file is not valid; nothing has changed');
  }

  hurry(): void {
    this.#runs.hurryAll();
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#close());
  }

  async #close(): Promise<void> {
    const { limits, shutdown } = this.#current.config;
    this.#sessions.admitNoMore();
    this.#runs.admitNoMore();
    this.#pin?.admitNoMore();
    if (shutdown.graceMs > 0) await this.#drain(shutdown.graceMs);
    this.#sessions.shutDown();
    this.#streams.shutDown();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await this.#runs.stopAll('shutdown');
    await this.#pin?.close();
    // Results are on their way; a client that does not take its own within the stall bound is not waited for.
    await within(limits.writeStallMs + limits.closeMs, Promise.all([this.#sessions.empty(), this.#streams.empty()]), () => undefined);
    this.#sessions.close();
    this.#pow.close();
    this.#streams.close();
    this.#server.closeAllConnections();
    await closed;
    await this.#retention.stop();
    this.#engines.docker.close();
    this.#store.close();
    this.#options.log.info({}, 'stopped');
  }

  /** Who comes now is told that the gateway stops; who is there sees the end of its run. */
  async #drain(graceMs: number): Promise<void> {
    const { log } = this.#options;
    const awaited = this.#runs.live().filter(({ record }) => record.state !== 'queued').length;
    log.info({ awaited, graceMs }, 'stopping; runs may end by themselves');
    await this.#runs.drained(graceMs);
    const left = this.#runs.live().length;
    if (left > 0) log.info({ left }, 'the grace is over; what still runs is stopped');
  }

  async #openPin(): Promise<void> {
    const { config } = this.#current;
    const { pin } = config.doors;
    if (pin === undefined) return;
    const { host } = config.http;
    try {
      this.#pin = await PinDoor.open({
        options: pin, folder: join(config.data, 'pin'), version: this.#options.version, gatewayHost: host, limits: () => this.#current.config.limits,
        runs: this.#runs, check: (text) => planText(text, this.#current.pinAllowance).complaints,
        artifacts: (run) => artifactsOf(config.data, run), secret: (source) => readSecret(source, process.env), log: this.#options.log,
      });
    } catch (error) {
      this.#server.close();
      this.#server.closeAllConnections();
      throw error;
    }
  }

  /** A session may have been opened before the API was switched off. */
  #start(request: StartRequest): Started {
    this.#expectOn();
    const { registry, all } = this.#current;
    // There are calls that only doors make.
    if (registry.get(request.call) === undefined && all.get(request.call) !== undefined) throw new Refusal('unknown-call', `no such call ${quote(request.call)}`);
    return this.#runs.start(request);
  }

  #attach(run: string, caller: Caller): Attached {
    this.#expectOn();
    return this.#runs.attach(run, caller);
  }

  #expectOn(): void {
    if (!this.#current.config.http.api) throw new Refusal('refused', errors.not_implemented.message);
  }

  #httpParts(): HttpParts {
    return {
      config: () => this.#current.config,
      calls: () => this.#listCalls(),
      runs: {
        list: (page) => this.#runs.list(page),
        get: (id) => this.#runs.get(id),
        lines: (id, page) => this.#runs.lines(id, page),
        watch: (id) => this.#runs.watch(id),
        artifacts: (id, max) => this.#runs.artifacts(id, max),
        artifact: (id, path) => this.#runs.artifact(id, path),
      },
      streams: this.#streams,
      news: createNewsShelf(() => this.#current.config.news, this.#options.log),
      schemas: { pipeline: pipelineSchema },
      status: () => this.#status(),
      ready: () => (this.#stopping === undefined ? { ready: true } : { ready: false, reason: 'the gateway is stopping' }),
      access: { identify, allows, scopeText, checkHost },
      log: this.#options.log,
    };
  }

  async #listCalls() {
    const engines = await this.#engines.availability();
    return this.#current.registry.list().map((call) => callListing(call, availabilityOf(call, engines)));
  }

  async #status(): Promise<Status> {
    const { config } = this.#current;
    const counted = this.#runs.countByState();
    return {
      version: this.#options.version, node: config.node, startedAt: this.#startedAt.toISOString(), uptimeMs: Date.now() - this.#startedAt.getTime(),
      state: this.#stopping === undefined ? 'running' : 'stopping', api: config.http.api,
      runs: Object.fromEntries(runStates.map((state) => [state, counted[state] ?? 0])) as Record<RunState, number>,
      sessions: this.#sessions.size, engines: await this.#engines.availability(),
      ...(this.#lastReload !== undefined && { lastReload: this.#lastReload }),
    };
  }
}

function availabilityOf(call: Call, engines: Readonly<Record<EngineName, Availability>>): Availability {
  return call.needs.map((engine) => engines[engine]).find((engine) => !engine.available) ?? { available: true };
}

/** Tells the containers of this data folder from those of any other gateway; made once. */
function gatewayId(folder: string): string {
  const file = join(folder, 'id');
  try {
    writeFileSync(file, `${randomUUID()}\n`, { flag: 'wx', mode: 0o640 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
