// A gateway for the duration of one command: in the same process, on a Unix socket that only the same user can open.

import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrivateGateway } from './cli/backend.ts';
import type { Config } from './config/config.ts';
import { defaultConfig } from './config/load/load.ts';
import { startGateway } from './gateway.ts';
import { folderPrefix, removeAbandonedFolders, socketName } from './private-folders.ts';
import { onFirstUncaughtException } from './serve.ts';
import { createLogger } from './support/create-logger.ts';

/**
 * Without `config`, uses the defaults in the current folder. Rejects with the error of `startGateway`; then nothing
 * stays open.
 */
export async function startPrivateGateway(config: Config | undefined, version: string): Promise<PrivateGateway> {
  // By default, log only fatal errors: other messages would mix with the output of the command.
  const log = createLogger({ ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] || 'fatal' });
  // mkdtemp creates the folder with mode 0700.
  const folder = await mkdtemp(join(tmpdir(), folderPrefix));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  await removeAbandonedFolders(folder);
  const ending = new AbortController();
  const close = (): void => {
    ending.abort();
    process.off('exit', removeFolder);
    removeFolder();
  };
  const crashed = onFirstUncaughtException(log, ending.signal);
  const socketPath = join(folder, socketName);
  try {
    const gateway = await startGateway({
      config: withoutListeners(config ?? defaultConfig('.')),
      version,
      log,
      socket: socketPath,
    });
    const stop = async (): Promise<void> => {
      await gateway.stop();
      close();
    };
    void crashed.then(() => gateway.stop());
    return { socketPath, stop };
  } catch (error) {
    close();
    throw error;
  }
}

/** Switches off what the command itself does not need, such as other listeners and requests from web pages. */
function withoutListeners(config: Config): Config {
  return Object.freeze({
    ...config,
    http: Object.freeze({ ...config.http, api: true, host: '127.0.0.1', port: 0, domains: [], origins: [] }),
    pipelines: Object.freeze({ ...config.pipelines, run: true }),
    compat: {},
  });
}
