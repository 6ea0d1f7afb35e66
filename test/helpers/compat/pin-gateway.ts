// Starts a gateway with the pin API on the shared engine, triggers pipelines there, and runs client programs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PinRecord } from '../../../server/compat/pin/runs/record.ts';
import { sharedEngineHost } from '../docker/shared-engine.ts';
import { startTestGateway, type TestGateway } from '../gateway/test-gateway.ts';
import { waitUntil, withDeadline } from '../wait-until.ts';

export interface PinGateway extends TestGateway {
  /** Address of the pin API. */
  readonly pinUrl: string;
  /** Writes a file into the folder of the gateway. Returns its path. */
  writeFile(name: string, text: string): Promise<string>;
  /** Posts the text of a pipeline. Returns the id of its run. */
  trigger(text: string, headers?: Readonly<Record<string, string>>): Promise<string>;
  /** Resolves with the record of the run once it has ended. */
  waitForEnd(id: string, headers?: Readonly<Record<string, string>>): Promise<PinRecord>;
  logs(id: string): Promise<string>;
}

/** Starts a gateway. `pin` is added to the section `compat.pin`, `yaml` to the file. */
export async function startPinGateway(pin = '', yaml = ''): Promise<PinGateway> {
  const gateway = await startTestGateway(
    [
      `docker: { host: "${await sharedEngineHost()}" }\ncompat: { pin: { listen: `,
      `"127.0.0.1:0"${pin === '' ? '' : `, ${pin}`} } }\n${yaml}`,
    ].join(''),
  );
  const pinUrl = /the pin API is listening \{"url":"([^"]+)"/.exec(gateway.logText())?.[1];
  if (pinUrl === undefined) throw new Error('the pin API is not open');
  const text = async (path: string, init?: RequestInit): Promise<string> =>
    (await fetch(`${pinUrl}${path}`, init)).text();
  const record = async (id: string, headers = {}): Promise<PinRecord> =>
    JSON.parse(await text(`/runs/${id}`, { headers })) as PinRecord;
  return {
    ...gateway,
    pinUrl,
    async writeFile(name, content) {
      const path = join(gateway.folder, name);
      await writeFile(path, content);
      return path;
    },
    async trigger(body, headers = {}) {
      const answer = JSON.parse(await text('/trigger', { method: 'POST', body, headers })) as {
        readonly run_id?: string;
      };
      if (answer.run_id === undefined) throw new Error(JSON.stringify(answer));
      return answer.run_id;
    },
    async waitForEnd(id, headers) {
      await waitUntil(
        `the run ${id} is over`,
        async () => (await record(id, headers)).completed_at !== undefined,
        60_000,
      );
      return record(id, headers);
    },
    logs: (id) => text(`/runs/${id}/logs`),
  };
}

export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a client program to its end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly ms?: number } = {},
): Promise<ProgramResult> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  const ended = once(child, 'close') as Promise<[number | null]>;
  try {
    const [code] = await withDeadline(`${command} ends`, ended, options.ms ?? 60_000);
    return { code, ...said };
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw new Error(`${String(error)}: ${JSON.stringify(said)}`);
  }
}

export const busybox = 'busybox:latest';

/** A pipeline of two jobs, of which the second prints to both streams. */
export const twoJobs = `
workflow: [Build, test]
build:
  image: ${busybox}
  env: WHO=world
  script: echo "hello $WHO"
test:
  image: ${busybox}
  script: [ 'echo out', 'echo err >&2' ]
`;
