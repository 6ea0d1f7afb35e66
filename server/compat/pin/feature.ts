// The API of the pin daemon as a feature of the gateway: its clients trigger and watch pipelines, and each pipeline is
// a run.

import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Feature } from '../../http/kit/feature.ts';
import type { RouteTable } from '../../http/kit/route-table.ts';
import { makeFolder } from '../../support/make-folder.ts';
import { withTimeout } from '../../support/with-timeout.ts';
import { type AccessRules, createPinAccess } from './access.ts';
import { pinCall, retainedRuns } from './call.ts';
import type { PinDeps } from './deps.ts';
import { PinHttpError, pinErrorFormat } from './errors.ts';
import type { PinEvent } from './events/event.ts';
import { EventLog } from './events/event-log.ts';
import { PinStreams } from './events/streams.ts';
import { exposureError, isExposed } from './exposure.ts';
import type { RouteDeps } from './routes/route.ts';
import { routes } from './routes/table.ts';
import { errorEvent } from './runs/lifecycle-events.ts';
import { RunIndex } from './runs/run-index.ts';
import { PinRuns } from './runs/runs.ts';

/** Time for clients to receive the last events. */
const closeMs = 2_000;
/** Time for a request under a prefix to arrive. The body reader rejects a stalled upload much earlier. */
const uploadMs = 600_000;

export interface PinFeature extends Feature {
  readonly routes: RouteTable;
  /** `http://host:port` of its own listener; undefined under a prefix. */
  readonly url: string | undefined;
  open(): Promise<void>;
  drain(): void;
  close(): Promise<void>;
}

export function createPinFeature(deps: PinDeps): PinFeature {
  return new PinApi(deps);
}

class PinApi implements PinFeature {
  readonly name = 'pin';
  readonly routes: RouteTable<RouteDeps>;
  url: string | undefined;
  readonly #deps: PinDeps;
  #resources: RouteDeps | undefined;
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(deps: PinDeps) {
    this.#deps = deps;
    this.routes = this.#createRouteTable();
  }

  calls(): readonly [ReturnType<typeof pinCall>] {
    const { options, gatewayHost, allowedSecrets } = this.#deps;
    return [pinCall(options, gatewayHost, allowedSecrets())];
  }

  metrics(): Readonly<Record<string, number>> {
    return { pinStreams: this.#resources?.streams.size ?? 0 };
  }

  /**
   * Resumes from the state in the folder. Rejects if the API would be open to other machines without a token, a secret
   * is missing, or the folder cannot be used; then nothing stays open.
   */
  async open(): Promise<void> {
    const { options, gatewayHost, log } = this.#deps;
    const exposed = exposureError(options, gatewayHost);
    if (exposed !== undefined) throw new Error(exposed);
    if (options.token === undefined && isExposed(options, gatewayHost))
      log.warn(
        { listen: options.listen },
        [
          'THE PIN API IS OPEN TO EVERYONE who can reach this machine: anyone may run pipelines here ',
          '(compat.pin.allowUnauthenticated); host jobs are rejected',
        ].join(''),
      );
    const resources = await openResources(this.#deps, () => this.#draining || this.#deps.isStopping());
    this.#resources = resources;
    await resources.runs.recoverInterrupted();
    resources.eventLog.append(resources.daemonStart);
    if (options.initial !== undefined) void runInitial(options.initial, resources);
  }

  drain(): void {
    this.#draining = true;
  }

  /** Ends every stream after its last event. Call it when all runs have ended. Idempotent. */
  close(): Promise<void> {
    this.#draining = true;
    return (this.#closing ??= closeResources(this.#resources));
  }

  #createRouteTable(): RouteTable<RouteDeps> {
    const { options, limits, log } = this.#deps;
    const { prefix: base = '', listen, allowOrigins: origins } = options;
    const opened = (): RouteDeps => this.#resources!;
    const rules = (): AccessRules => ({ origins, ...opened().secrets });
    return {
      base,
      routes,
      get deps() {
        return opened();
      },
      ...createPinAccess(rules),
      errorFormat: pinErrorFormat(base),
      headers: { 'Cache-Control': 'no-store' },
      etag: false,
      writeStallMs: () => limits().writeStallMs,
      log,
      requestTimeoutMs: listen === undefined ? Math.max(limits().requestMs, uploadMs) : 0,
      ...(listen !== undefined && { listen: { ...listen, onListening: (url: string) => this.#onListening(url) } }),
    };
  }

  #onListening(url: string): void {
    this.url = url;
    this.#deps.log.info({ url }, 'the pin API is listening');
  }
}

async function openResources(deps: PinDeps, isStopping: () => boolean): Promise<RouteDeps> {
  const { options, folder, limits, log } = deps;
  const secrets = readSecrets(deps);
  const uploads = join(folder, 'uploads');
  rmSync(uploads, { recursive: true, force: true });
  makeFolder(uploads, 0o750);
  const runIndex = new RunIndex(join(folder, 'runs'), { runsMax: retainedRuns });
  const eventLog = await EventLog.open({
    folder,
    bytesMax: options.eventsBytes,
    limits: limits(),
    runLog: (run) => (deps.runs.get(run) === undefined ? undefined : deps.runs.view(run).log),
    log,
  });
  const daemonStart = daemonStartEvent(options.prefix ?? '');
  const runs = new PinRuns({ ...deps, eventLog, runIndex, isStopping });
  const streams = new PinStreams({ eventLog, limits, daemonStart, log });
  const startedMs = performance.now();
  return { ...deps, eventLog, daemonStart, runs, streams, uploads, secrets, startedMs, isStopping };
}

/** Throws if a secret is missing. */
function readSecrets({ options: { token, github }, secret }: PinDeps): RouteDeps['secrets'] {
  return {
    ...(token !== undefined && { token: secret(token) }),
    ...(github?.secret !== undefined && { github: secret(github.secret) }),
  };
}

/** Clients that connect after the start also receive this event, because no client is connected when it is emitted. */
function daemonStartEvent(base: string): PinEvent {
  return {
    type: 'daemon_start',
    level: 'info',
    message: 'PIN daemon started successfully',
    timestamp: new Date().toISOString(),
    sse_endpoint: `${base}/events`,
    health_endpoint: `${base}/health`,
    runs_endpoint: `${base}/runs`,
  };
}

/** Runs the initial pipeline. Never rejects. */
async function runInitial(file: string, { runs, eventLog, log }: RouteDeps): Promise<void> {
  const origin = { source: 'initial_file', file: basename(file) } as const;
  try {
    await runs.submit({ text: await readFile(file), origin });
  } catch (error) {
    log.error({ err: error }, 'the initial pipeline cannot be run');
    // `submit` has already emitted the errors of the text.
    if (!(error instanceof PinHttpError)) eventLog.append(errorEvent(origin, 'the file cannot be read'));
  }
}

async function closeResources(resources: RouteDeps | undefined): Promise<void> {
  if (resources === undefined) return;
  const { runs, eventLog, streams } = resources;
  await runs.idle();
  eventLog.append({ type: 'daemon_stop', level: 'info', message: 'PIN daemon shutting down' });
  // When the log is closed, each stream ends after the last event of the log.
  await eventLog.close();
  await withTimeout(closeMs, streams.empty(), () => undefined);
  streams.close();
}
