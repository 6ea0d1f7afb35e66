// A gateway as `distillery serve` runs it: with its log, its configuration file followed, and if need be an engine of its own.

import { join } from 'node:path';
import type { ListenAddress, RunningGateway, ServeOptions } from './cli/parts.ts';
import type { Config } from './config/config.ts';
import { formatProblem } from './config/format.ts';
import { watchConfig, type Change } from './config/watch.ts';
import { createDockerEngine } from './docker/engine.ts';
import { startPrivateEngine, type PrivateEngine } from './docker/private-engine.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { checkPipeline } from './pipeline/engine.ts';
import { logOutput } from './support/log-output.ts';
import type { Logger } from './support/logger.ts';

/** Throws what `startGateway` throws; nothing is left open then. */
export async function startServing(options: ServeOptions, version: string): Promise<RunningGateway> {
  const log = logOutput(process.env);
  const config = listeningAt(options.config, options.listen);
  const engine = options.privateEngine ? await engineOfOurOwn(config, log) : undefined;
  const watching = new AbortController();
  const faulted = firstFault(log, watching.signal);
  try {
    const gateway = await startGateway({ config, version, log, ...(engine !== undefined && { engines: [engine.host] }) });
    const onChange = (change: Change): void => take(change, { gateway, log, listen: options.listen });
    watchConfig(options.file, onChange, { running: options.config, signal: watching.signal, checkPipeline });
    const stop = async (): Promise<void> => {
      watching.abort();
      await gateway.stop();
      await engine?.stop();
    };
    return { url: gateway.url, stop, hurry: () => gateway.hurry(), faulted };
  } catch (error) {
    watching.abort();
    await engine?.stop();
    throw error;
  }
}

/** Code that throws where nobody catches, ours or that of a module, leaves things in a state nobody knows. They are logged, the first is told. */
function firstFault(log: Logger, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const onFault = (error: unknown): void => {
      log.error({ err: error }, 'a fault that nobody caught; the gateway stops');
      resolve();
    };
    process.on('uncaughtException', onFault);
    signal.addEventListener('abort', () => process.off('uncaughtException', onFault), { once: true });
  });
}

function listeningAt(config: Config, listen: ListenAddress | undefined): Config {
  return listen === undefined ? config : Object.freeze({ ...config, http: Object.freeze({ ...config.http, host: listen.host, port: listen.port }) });
}

interface Following {
  readonly gateway: Gateway;
  readonly log: Logger;
  readonly listen: ListenAddress | undefined;
}

/** A bad file changes nothing. */
function take(change: Change, { gateway, log, listen }: Following): void {
  if (!change.ok) {
    for (const problem of change.problems) log.error({ path: problem.path }, formatProblem(problem));
    return gateway.reportProblems(change.problems.length);
  }
  for (const warning of change.warnings) log.warn({ path: warning.path }, formatProblem(warning));
  gateway.reload(listeningAt(change.config, listen));
  if (change.restartNeeded.length > 0) log.warn({ keys: change.restartNeeded }, 'these keys take effect after a restart');
}

/**
 * Only where no other engine can be reached, and the configuration insists on none. A machine that cannot have one gets a warning, and
 * container calls say why they are not available.
 */
async function engineOfOurOwn(config: Config, log: Logger): Promise<PrivateEngine | undefined> {
  if (config.docker.host !== 'auto') return undefined;
  const other = createDockerEngine({ host: config.docker.host, limits: config.limits, gateway: '', log });
  try {
    if ((await other.availability()).available) return undefined;
    const engine = await startPrivateEngine({ folder: join(config.data, 'engine'), tie: true });
    log.info({ host: engine.host }, 'a private Docker engine was started');
    return engine;
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'no Docker engine can be reached, and none could be started');
    return undefined;
  } finally {
    other.close();
  }
}
