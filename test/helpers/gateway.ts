// A real gateway in a folder of its own on a free port, for one test or one file of tests.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig } from '../../server/config/load.ts';
import { formatProblems } from '../../server/config/format.ts';
import { startGateway, type Gateway } from '../../server/gateway.ts';
import { silent, type Logger } from '../../server/support/logger.ts';

export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  /** The websocket endpoint. */
  readonly wsUrl: string;
  /** Holds distillery.yaml and the data. */
  readonly folder: string;
  /** The folder of the logs. */
  readonly runsFolder: string;
  /** Everything the gateway logged, as text. */
  logged(): string;
  getJson(path: string): Promise<unknown>;
  /** Stops it and removes the folder. Safe twice. */
  stop(): Promise<void>;
}

/**
 * `yaml` is added to an API that is on, on a free loopback port; unless it says so, runs have no grace when the gateway stops. `files` stand beside it, by
 * their names.
 */
export async function startTestGateway(yaml: string, files: Readonly<Record<string, string>> = {}): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const file = join(folder, 'distillery.yaml');
  const http = /^http:/m.test(yaml) ? '' : 'http: { api: true, listen: "127.0.0.1:0" }\n';
  const shutdown = /^shutdown:/m.test(yaml) ? '' : 'shutdown: { grace: 0s }\n';
  await writeFile(file, `${http}${shutdown}data: data\n${yaml}`);
  const loaded = await loadConfig(file);
  if (!loaded.ok) throw new Error(formatProblems(loaded.problems));
  const lines: string[] = [];
  const gateway = await startGateway({ config: loaded.config, version: 'test', log: logInto(lines) }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  let stopped: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return {
    gateway, folder, url: gateway.url, wsUrl: `${gateway.url.replace('http', 'ws')}/api/v1/ws`, runsFolder: join(folder, 'data', 'runs'),
    logged: () => lines.join('\n'),
    getJson: async (path) => (await fetch(`${gateway.url}${path}`)).json(),
    stop: () => (stopped ??= end()),
  };
}

function logInto(lines: string[]): Logger {
  const write = (level: string) => (facts: object, message: string): void => {
    lines.push(`${level} ${message} ${JSON.stringify(facts, (_key, value: unknown) => (value instanceof Error ? value.stack : value))}`);
  };
  return { ...silent, info: write('info'), warn: write('warn'), error: write('error') };
}
