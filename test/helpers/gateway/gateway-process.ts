// A gateway as a process of its own, to measure its resources.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCli } from '../cli/run-cli.ts';

export interface GatewayProcess {
  readonly url: string;
  readonly wsUrl: string;
  getJson(path: string): Promise<unknown>;
  /** Returns the number of open descriptors: files, sockets, pipes. */
  countOpenFiles(): number;
  /** Bytes of memory in use, and the maximum since the last `resetPeak`. */
  memory(): { readonly now: number; readonly peak: number };
  resetPeak(): void;
  /** Stops the gateway and removes its folder. Resolves with its exit code. */
  stop(): Promise<number | null>;
}

/** Starts a gateway. Adds `yaml` to a configuration with the API on a free loopback port. */
export async function startGatewayProcess(yaml: string): Promise<GatewayProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'served-'));
  await writeFile(
    join(folder, 'distillery.yaml'),
    `http: { api: true, listen: "127.0.0.1:0", keepAlive: 1s }\nshutdown: { grace: 0s }\ndata: data\n${yaml}`,
  );
  const { child, waitForMatch, result } = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
  const [, url = ''] = await waitForMatch(/^listening on (http:\/\/\S+)\n$/);
  const proc = `/proc/${child.pid}`;
  return {
    url,
    wsUrl: `${url.replace('http', 'ws')}/api/v1/ws`,
    getJson: async (path) => (await fetch(`${url}${path}`)).json(),
    countOpenFiles: () => readdirSync(`${proc}/fd`).length,
    memory: () => ({ now: readMemoryField(proc, 'VmRSS'), peak: readMemoryField(proc, 'VmHWM') }),
    // Writing 5 resets the peak to the current value (proc_pid_clear_refs(5)).
    resetPeak: () => writeFileSync(`${proc}/clear_refs`, '5'),
    async stop() {
      child.kill('SIGTERM');
      const { code } = await result;
      await rm(folder, { recursive: true, force: true });
      return code;
    },
  };
}

function readMemoryField(proc: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`${proc}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
