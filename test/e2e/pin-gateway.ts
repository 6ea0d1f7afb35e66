// A gateway with the pin door open, on the engine of the tests, and files for its clients to bring.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PinRecord } from '../../server/doors/pin/runs/record.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { soon, until } from '../helpers/until.ts';

export interface PinGateway extends TestGateway {
  /** Of the door. */
  readonly pin: string;
  /** Writes a file into the folder of the gateway, and gives its path. */
  file(name: string, text: string): Promise<string>;
  /** Posts the text of a pipeline and gives the id of its run. */
  trigger(text: string, headers?: Readonly<Record<string, string>>): Promise<string>;
  /** The record of the run when it is over. */
  over(id: string, headers?: Readonly<Record<string, string>>): Promise<PinRecord>;
  logs(id: string): Promise<string>;
}

/** `door` is what stands in `doors.pin` beside its address; `yaml` is added to the file. */
export async function startPinGateway(door = '', yaml = ''): Promise<PinGateway> {
  const gateway = await startTestGateway(`docker: { host: "${await sharedEngine()}" }\ndoors: { pin: { listen: "127.0.0.1:0"${door === '' ? '' : `, ${door}`} } }\n${yaml}`);
  const pin = /the pin door is open \{"url":"([^"]+)"/.exec(gateway.logged())?.[1];
  if (pin === undefined) throw new Error('the door is not open');
  const text = async (path: string, init?: RequestInit): Promise<string> => (await fetch(`${pin}${path}`, init)).text();
  const record = async (id: string, headers = {}): Promise<PinRecord> => JSON.parse(await text(`/runs/${id}`, { headers })) as PinRecord;
  return {
    ...gateway, pin,
    async file(name, content) {
      const path = join(gateway.folder, name);
      await writeFile(path, content);
      return path;
    },
    async trigger(body, headers = {}) {
      const answer = JSON.parse(await text('/trigger', { method: 'POST', body, headers })) as { readonly run_id?: string };
      if (answer.run_id === undefined) throw new Error(JSON.stringify(answer));
      return answer.run_id;
    },
    async over(id, headers) {
      await until(`the run ${id} is over`, async () => (await record(id, headers)).completed_at !== undefined, 60_000);
      return record(id, headers);
    },
    logs: (id) => text(`/runs/${id}/logs`),
  };
}

export interface ProgramEnded {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a client to its end. */
export async function program(command: string, args: readonly string[], options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly ms?: number } = {}): Promise<ProgramEnded> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env }, ...(options.cwd !== undefined && { cwd: options.cwd }) });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text: string) => { said[name] += text; });
  const ended = once(child, 'close') as Promise<[number | null]>;
  try {
    const [code] = await soon(`${command} ends`, ended, options.ms ?? 60_000);
    return { code, ...said };
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw new Error(`${String(error)}: ${JSON.stringify(said)}`);
  }
}

export const busybox = 'busybox:latest';

/** Two jobs, of which the second one prints to both streams. */
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
