// Composes the features of the gateway, opens them in order, and drains and closes them in reverse order.

import { join } from 'node:path';
import { ActiveConfig } from './active-config.ts';
import { identify } from './auth/identify.ts';
import { allows, missingScopeMessage } from './auth/scopes.ts';
import { listCalls } from './call-registry.ts';
import { reportUnavailable } from './check-machine.ts';
import { pinCallName, pinPermissions } from './compat/pin/call.ts';
import { createPinFeature } from './compat/pin/feature.ts';
import { createPowFeature } from './compat/pow/feature.ts';
import type { Config } from './config/config.ts';
import { permissionsFor } from './config/schema/pipelines.ts';
import { readSecret } from './config/secret.ts';
import { createEngines, type GatewayEngines, packArtifacts } from './create-engines.ts';
import { createRunExecution } from './create-runs.ts';
import { openDataFolder } from './data-folder.ts';
import { collectReadiness, collectStatus, createStatusFeature } from './gateway-status.ts';
import { createHttpFeature } from './http/feature.ts';
import type { Feature } from './http/kit/feature.ts';
import { createGatewayGuard } from './http/kit/request-guard.ts';
import { createNewsReader } from './http/news/read-news.ts';
import { HttpServer } from './http-server.ts';
import { claimIdentity, type Identity } from './identity.ts';
import { planText } from './pipeline/engine.ts';
import { pipelineSchema } from './pipeline/language/schema.ts';
import { createPublicRuns } from './public-runs.ts';
import type { Runs } from './runs/runs.ts';
import type { RunStore } from './runs/store/store.ts';
import { createSessionFeature } from './session/feature.ts';
import type { Logger } from './support/logger.ts';

export interface GatewayOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  /** Docker hosts to try after the default ones. */
  readonly engines?: readonly string[];
  /** Path of a Unix socket to listen on, in place of `http.listen`. */
  readonly socket?: string;
}

export interface StopOptions {
  /** True: leaves container runs that the next gateway can continue, even if `shutdown.containers` is `stop`. */
  readonly leaveContainers?: boolean;
}

export interface Gateway {
  /** `http://host:port` */
  readonly url: string;
  /**
   * Applies another configuration. Keys that need a restart must be unchanged. Active runs keep their settings. The log
   * names the keys in `removed`, which the new file no longer has.
   */
  reload(config: Config, removed?: readonly string[]): void;
  /** Reports on `/status` that the configuration file has `count` errors. Nothing else changes. */
  reportInvalidConfig(count: number): void;
  /**
   * Accepts no more runs and sessions, waits up to `shutdown.grace` for active runs, stops the rest with the cause
   * `shutdown`, and closes everything. Idempotent.
   */
  stop(options?: StopOptions): Promise<void>;
  /** Ends every grace period at once, including that of `stop`. */
  forceStop(): void;
}

/**
 * Reconciles the runs of earlier processes, then listens. Rejects if the data folder is in use or unusable, or if
 * listening fails; then nothing stays open.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { data } = options.config;
  const store = openDataFolder(data);
  const identity = await claimIdentity(data).catch((error: unknown) => {
    store.close();
    throw error;
  });
  const gateway = new FeatureGateway(options, store, identity);
  try {
    return await gateway.open();
  } catch (error) {
    await gateway.close();
    throw error;
  }
}

class FeatureGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #active: ActiveConfig;
  readonly #server: HttpServer;
  readonly #engines: GatewayEngines;
  readonly #features: readonly Feature[];
  #stopping: Promise<void> | undefined;
  #leaveContainers = false;

  readonly #identity: Identity;

  constructor(options: GatewayOptions, store: RunStore, identity: Identity) {
    this.#identity = identity;
    const { config, log, engines: candidates, socket } = options;
    this.#options = options;
    const active = new ActiveConfig(config, () => this.#features.flatMap((feature) => feature.calls?.() ?? []), log);
    this.#active = active;
    const isStopping = () => this.#stopping !== undefined;
    const now = () => active.config;
    const engines = createEngines({
      config,
      now,
      gateway: identity.id,
      ...(candidates !== undefined && { candidates }),
      log,
    });
    this.#engines = engines;
    const { runs, storage, execution } = createRunExecution({
      config,
      active,
      engines,
      store,
      leaveContainers: () => this.#leaveContainers || active.config.shutdown.containers === 'leave',
      log,
    });
    const apis = createApis({ options, active, isStopping, runs, engines, features: () => this.#features });
    this.#server = new HttpServer(apis, {
      listen: socket === undefined ? config.http : { socket },
      keepAliveMs: () => now().http.keepAliveMs,
      requestMs: config.limits.requestMs,
    });
    this.#features = [
      createStatusFeature({ version: options.version, active, isStopping }),
      engines,
      storage,
      this.#server.connections,
      ...apis,
      this.#server.listeners,
      execution,
    ];
  }

  get url(): string {
    return this.#server.url;
  }

  async open(): Promise<Gateway> {
    for (const feature of this.#features) await feature.open?.();
    this.#options.log.info({ url: this.url, calls: this.#active.config.calls.length }, 'listening');
    this.#reportUnavailable();
    if (!this.#active.config.http.api)
      this.#options.log.info({}, 'the API is off: every path under /api answers 501; http: { api: true } enables it');
    return this;
  }

  reload(config: Config, removed?: readonly string[]): void {
    this.#active.reload(config, removed);
    this.#reportUnavailable();
  }

  reportInvalidConfig(count: number): void {
    this.#active.reportInvalid(count);
  }

  /** Logs which declared calls cannot work, and which secrets cannot be read. */
  #reportUnavailable(): void {
    const { log } = this.#options;
    const reported = reportUnavailable(this.#active.config, this.#engines, log);
    reported.catch((error: unknown) => log.error({ err: error }, 'cannot check what the calls need'));
  }

  forceStop(): void {
    for (const feature of this.#features) feature.forceStop?.();
  }

  stop({ leaveContainers = false }: StopOptions = {}): Promise<void> {
    this.#leaveContainers ||= leaveContainers;
    return (this.#stopping ??= this.#stop());
  }

  async close(): Promise<void> {
    for (const feature of this.#reversed) await feature.close?.();
    this.#identity.release();
  }

  async #stop(): Promise<void> {
    // `#stopping` is set after this method returns its promise. Wait for that: from then on the features reject new
    // work.
    await Promise.resolve();
    for (const feature of this.#reversed) await feature.drain?.();
    await this.close();
    this.#options.log.info({}, 'stopped');
  }

  get #reversed(): readonly Feature[] {
    return [...this.#features].reverse();
  }
}

interface ApiDeps {
  readonly options: GatewayOptions;
  readonly active: ActiveConfig;
  readonly isStopping: () => boolean;
  readonly runs: Runs;
  readonly engines: GatewayEngines;
  readonly features: () => readonly Feature[];
}

/** Returns the features that serve clients. */
function createApis(deps: ApiDeps): readonly Feature[] {
  const { options, active, isStopping, runs } = deps;
  const { log } = options;
  const config = () => active.config;
  const guard = createGatewayGuard(config);
  const access = { identify, allows, missingScopeMessage };
  const publicRuns = createPublicRuns(runs, active);
  return [
    createSessionFeature({ runs: publicRuns, limits: () => config().limits, isStopping, guard, access, log }),
    createJsonFeature(deps),
    createPowFeature({ runs: publicRuns, config, guard, access, log }),
    ...createCompatPin(deps),
  ];
}

function createJsonFeature({ options, active, runs, engines, features }: ApiDeps): Feature {
  return createHttpFeature({
    config: () => active.config,
    calls: async () =>
      listCalls(active.calls.registry, { config: active.config, engines: await engines.availability() }),
    runs,
    news: createNewsReader(() => active.config.news, options.log),
    schemas: { pipeline: pipelineSchema },
    status: () => collectStatus(features()),
    ready: () => collectReadiness(features()),
    access: { identify, allows, missingScopeMessage },
    log: options.log,
  });
}

function createCompatPin({ options, active, isStopping, runs }: ApiDeps): readonly Feature[] {
  const { config, version, log } = options;
  const { pin } = config.compat;
  if (pin === undefined) return [];
  const { host: gatewayHost } = config.http;
  const allowedSecrets = () => permissionsFor(pinCallName, active.config, { declared: false }).secrets;
  return [
    createPinFeature({
      options: pin,
      folder: join(config.data, 'pin'),
      version,
      gatewayHost,
      limits: () => active.config.limits,
      isStopping,
      allowedSecrets,
      runs,
      plan: (text) => planText(text, pinPermissions(pin, gatewayHost, allowedSecrets())),
      artifacts: (run) => packArtifacts(config.data, run),
      secret: (source) => readSecret(source, process.env),
      log,
    }),
  ];
}
