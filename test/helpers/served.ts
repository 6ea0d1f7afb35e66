// A gateway as a process of its own, for looks at what it costs.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCli } from './cli.ts';

export interface ServedGateway {
  readonly url: string;
  readonly wsUrl: string;
  getJson(path: string): Promise<unknown>;
  /** Open descriptors: files, sockets, pipes. */
  descriptors(): number;
  /** Bytes of memory in use now, and the most since `forgetPeak`. */
  memory(): { readonly now: number; readonly peak: number };
  forgetPeak(): void;
  /** Stops it, removes its folder, and resolves with its exit code. */
  stop(): Promise<number | null>;
}

/** `yaml` is added to an API that is on, on a free loopback port. */
export async function serveGateway(yaml: string): Promise<ServedGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'served-'));
  await writeFile(join(folder, 'distillery.yaml'), `http: { api: true, listen: "127.0.0.1:0" }\nshutdown: { grace: 0s }\ndata: data\n${yaml}`);
  const { child, says, ended } = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
  const [, url = ''] = await says(/^listening on (http:\/\/\S+)\n$/);
  const proc = `/proc/${child.pid}`;
  return {
    url, wsUrl: `${url.replace('http', 'ws')}/api/v1/ws`,
    getJson: async (path) => (await fetch(`${url}${path}`)).json(),
    descriptors: () => readdirSync(`${proc}/fd`).length,
    memory: () => ({ now: sizeIn(proc, 'VmRSS'), peak: sizeIn(proc, 'VmHWM') }),
    // proc_pid_clear_refs(5): 5 sets the peak to what is in use.
    forgetPeak: () => writeFileSync(`${proc}/clear_refs`, '5'),
    async stop() {
      child.kill('SIGTERM');
      const { code } = await ended;
      await rm(folder, { recursive: true, force: true });
      return code;
    },
  };
}

function sizeIn(proc: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`${proc}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
