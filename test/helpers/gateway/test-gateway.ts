// A real gateway in a temporary folder on a free port.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { formatDiagnostics } from '../../../calls/text/format-diagnostics.ts';
import { loadConfig } from '../../../server/config/load/load.ts';
import { type Gateway, startGateway } from '../../../server/gateway.ts';
import { type Logger, nullLogger } from '../../../server/support/logger.ts';

export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  /** URL of the websocket endpoint. */
  readonly wsUrl: string;
  /** Folder of distillery.yaml and the data. */
  readonly folder: string;
  /** Folder that contains the logs of the runs. */
  readonly runsFolder: string;
  /** Returns everything that the gateway has logged, as text. */
  logText(): string;
  getJson(path: string): Promise<unknown>;
  /** Stops the gateway and removes the folder. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a gateway. Adds `yaml` to a configuration with the API on a free loopback port and without a shutdown grace.
 * Writes `files` next to the configuration, by name.
 */
export async function startTestGateway(
  yaml: string,
  files: Readonly<Record<string, string>> = {},
): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const file = join(folder, 'distillery.yaml');
  // Idle connections close soon, so that tests can count descriptors.
  const http = /^http:/m.test(yaml) ? '' : 'http: { api: true, listen: "127.0.0.1:0", keepAlive: 1s }\n';
  const shutdown = /^shutdown:/m.test(yaml) ? '' : 'shutdown: { grace: 0s }\n';
  await writeFile(file, `${http}${shutdown}data: data\n${yaml}`);
  const loaded = await loadConfig(file);
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  const lines: string[] = [];
  const gateway = await startGateway({ config: loaded.config, version: 'test', log: createMemoryLogger(lines) }).catch(
    async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    },
  );
  let stopped: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return {
    gateway,
    folder,
    url: gateway.url,
    wsUrl: `${gateway.url.replace('http', 'ws')}/api/v1/ws`,
    runsFolder: join(folder, 'data', 'runs'),
    logText: () => lines.join('\n'),
    getJson: async (path) => (await fetch(`${gateway.url}${path}`)).json(),
    stop: () => (stopped ??= end()),
  };
}

function createMemoryLogger(lines: string[]): Logger {
  const write =
    (level: string) =>
    (facts: object, message: string): void => {
      lines.push(
        [
          `${level} ${message} `,
          `${JSON.stringify(facts, (_key, value: unknown) => (value instanceof Error ? value.stack : value))}`,
        ].join(''),
      );
    };
  return { ...nullLogger, info: write('info'), warn: write('warn'), error: write('error') };
}
