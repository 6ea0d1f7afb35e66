// The configuration in force, and the call registries that are built from it.

import type { Call } from '../calls/contract/call.ts';
import { buildCallRegistry, type CallRegistries } from './call-registry.ts';
import type { Config } from './config/config.ts';
import type { Logger } from './support/logger.ts';

/** The last change of the configuration file, as `/status` shows it. */
export interface LastReload {
  /** RFC 3339. */
  readonly at: string;
  readonly ok: boolean;
  readonly problems: number;
}

export class ActiveConfig {
  readonly #featureCalls: () => readonly Call[];
  readonly #log: Logger;
  #config: Config;
  #registries: CallRegistries | undefined;
  #lastReload: LastReload | undefined;

  /**
   * `featureCalls` returns the calls that only a feature may make. The constructor does not call it, so it may read
   * `config`.
   */
  constructor(config: Config, featureCalls: () => readonly Call[], log: Logger) {
    this.#config = config;
    this.#featureCalls = featureCalls;
    this.#log = log;
  }

  get config(): Config {
    return this.#config;
  }

  get calls(): CallRegistries {
    return (this.#registries ??= buildCallRegistry(this.#config, this.#featureCalls()));
  }

  get lastReload(): LastReload | undefined {
    return this.#lastReload;
  }

  /**
   * Applies another configuration. Keys that need a restart must be unchanged. Active runs keep their settings. Logs
   * removed keys, and changes that open, close or delete something. `removed` are the keys that the new file no longer
   * has.
   */
  reload(config: Config, removed: readonly string[] = []): void {
    const before = this.#config;
    this.#config = config;
    this.#registries = undefined;
    this.#lastReload = { at: new Date().toISOString(), ok: true, problems: 0 };
    const changes = { ...(removed.length > 0 && { removed }), ...describeChanges(before, config) };
    this.#log.info({ api: config.http.api, calls: config.calls.length, ...changes }, 'configuration reloaded');
  }

  /**
   * Records that the changed file has errors. The old configuration stays in force, and `/status` shows the number of
   * errors.
   */
  reportInvalid(problems: number): void {
    this.#lastReload = { at: new Date().toISOString(), ok: false, problems };
    this.#log.error({ problems }, 'the configuration file is not valid; nothing has changed');
  }
}

/** Returns the changes that open, close or delete something: `http.api`, added and removed calls, and `retention`. */
function describeChanges(before: Config, after: Config): Readonly<Record<string, unknown>> {
  const names = ({ calls }: Config): readonly string[] => calls.map(({ name }) => name);
  const addedCalls = names(after).filter((name) => !names(before).includes(name));
  const removedCalls = names(before).filter((name) => !names(after).includes(name));
  return {
    ...(before.http.api !== after.http.api && { apiBefore: before.http.api }),
    ...(addedCalls.length > 0 && { addedCalls }),
    ...(removedCalls.length > 0 && { removedCalls }),
    ...(JSON.stringify(before.retention) !== JSON.stringify(after.retention) && { retention: after.retention }),
  };
}
