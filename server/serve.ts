// Runs a gateway for `distillery serve`: creates its log, watches its configuration file, and may start a Docker engine
// for it.

import { join, resolve as resolvePath } from 'node:path';
import { formatDiagnosticLine } from '../calls/text/format-diagnostics.ts';
import type { ListenAddress, RunningGateway, ServeOptions } from './cli/backend.ts';
import type { Config } from './config/config.ts';
import { type ConfigChange, type DelayedChange, watchConfig } from './config/reload/watch.ts';
import { createDockerEngine } from './docker/engine.ts';
import { type PrivateEngine, startPrivateEngine } from './docker/private/engine.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { assertIdentityFree, renewIdentity } from './identity.ts';
import { planText } from './pipeline/engine.ts';
import { createLogger } from './support/create-logger.ts';
import type { Logger } from './support/logger.ts';

/** Rejects if the gateway cannot start; then nothing stays open. */
export async function serveGateway(options: ServeOptions, version: string): Promise<RunningGateway> {
  const log = createLogger(process.env);
  const config = withListenAddress(options.config, options.listen);
  logStart(config, { file: options.file, version, log });
  if (options.newIdentity) renewIdentity(config.data);
  // Check this before the engine starts: in a copied data folder, the record of the private engine names processes of
  // the original gateway.
  else if (options.privateEngine) await assertIdentityFree(config.data);
  const engine = options.privateEngine ? await startEngineIfNone(config, log) : undefined;
  const watcher = new AbortController();
  const crashed = onFirstUncaughtException(log, watcher.signal);
  try {
    const gateway = await startGateway({
      config,
      version,
      log,
      ...(engine !== undefined && { engines: [engine.host] }),
    });
    const onChange = (change: ConfigChange): void =>
      applyConfigChange(change, { gateway, log, listen: options.listen });
    watchConfig(options.file, onChange, {
      running: options.config,
      signal: watcher.signal,
      planPipeline: planText,
      onDelay: (delayed) => logDelay(delayed, log),
      onUnwatchable: () =>
        log.warn({ config: options.file }, 'the configuration is not a regular file, so changes are not noticed'),
    });
    const stop = async (leaveContainers: boolean): Promise<void> => {
      watcher.abort();
      await gateway.stop({ leaveContainers });
      await engine?.stop();
    };
    return { url: gateway.url, stop, forceStop: () => gateway.forceStop(), crashed };
  } catch (error) {
    watcher.abort();
    await engine?.stop();
    throw error;
  }
}

interface StartDetails {
  readonly file: string;
  readonly version: string;
  readonly log: Logger;
}

/** Logs the first line: what starts, from which files, with which engine. */
function logStart(config: Config, { file, version, log }: StartDetails): void {
  const { data, docker, node, http } = config;
  const fields = {
    version,
    config: resolvePath(file),
    data,
    engine: docker.host,
    node,
    host: http.host,
    port: http.port,
  };
  log.info({ ...fields, nodejs: process.versions.node, uid: process.geteuid?.() }, 'distillery gateway starts');
}

/**
 * Logs every uncaught exception of the gateway and of modules, and resolves at the first: after that, the state of the
 * process is unknown.
 */
export function onFirstUncaughtException(log: Logger, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const onFault = (error: unknown): void => {
      log.error({ err: error }, 'uncaught exception; the gateway stops');
      resolve();
    };
    process.on('uncaughtException', onFault);
    signal.addEventListener('abort', () => process.off('uncaughtException', onFault), { once: true });
  });
}

function withListenAddress(config: Config, listen: ListenAddress | undefined): Config {
  return listen === undefined
    ? config
    : Object.freeze({ ...config, http: Object.freeze({ ...config.http, host: listen.host, port: listen.port }) });
}

interface ReloadTarget {
  readonly gateway: Gateway;
  readonly log: Logger;
  readonly listen: ListenAddress | undefined;
}

/** Applies a valid file. A file with errors changes nothing. */
function applyConfigChange(change: ConfigChange, { gateway, log, listen }: ReloadTarget): void {
  if (!change.ok) {
    for (const problem of change.diagnostics) log.error({ path: problem.path }, formatDiagnosticLine(problem));
    return gateway.reportInvalidConfig(change.diagnostics.length);
  }
  for (const warning of change.warnings) log.warn({ path: warning.path }, formatDiagnosticLine(warning));
  gateway.reload(withListenAddress(change.config, listen), change.removed);
  if (change.restartNeeded.length > 0)
    log.warn({ keys: change.restartNeeded }, 'these keys take effect after a restart');
}

/** Logs what the changed file would remove, and how the operator can apply it at once. */
function logDelay({ confirmMs, ...loss }: DelayedChange, log: Logger): void {
  log.warn(
    { ...loss, appliesAfterMs: confirmMs },
    'the configuration file may be incomplete; it takes effect if it stays unchanged, or at once on SIGHUP',
  );
}

/**
 * Starts an engine only if `docker.host` is `auto` and no other engine can be reached. If that fails, logs a warning;
 * container calls then report why they are not available.
 */
async function startEngineIfNone(config: Config, log: Logger): Promise<PrivateEngine | undefined> {
  if (config.docker.host !== 'auto') return undefined;
  const other = createDockerEngine({ host: config.docker.host, limits: config.limits, gateway: '', log });
  try {
    if ((await other.availability()).available) return undefined;
    const engine = await startPrivateEngine({ folder: join(config.data, 'engine'), dieWithParent: true });
    log.info({ host: engine.host }, 'started a private Docker engine');
    return engine;
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'cannot reach a Docker engine, and cannot start one');
    return undefined;
  } finally {
    other.close();
  }
}
