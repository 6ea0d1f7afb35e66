// The servers that are measured, each a process of its own: the gateway and its peers.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';

const bin = fileURLToPath(new URL('../../server/cli/bin.js', import.meta.url));

export interface Measured {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface MeasuredGateway extends Measured {
  readonly folder: string;
}

/** `distillery serve` with this configuration, API on. */
export async function gateway(yaml: string): Promise<MeasuredGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  await writeFile(join(folder, 'distillery.yaml'), `http: { api: true, listen: "127.0.0.1:0" }\ndata: data\n${yaml}`);
  const child = spawn(process.execPath, [bin, 'serve', '--config', join(folder, 'distillery.yaml')], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LOG_LEVEL: 'warn' } });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const port = Number(/:(\d+)\s*$/.exec(String(line))?.[1]);
  return { port, pid: child.pid!, folder, stop: async () => { await end(child); await rm(folder, { recursive: true, force: true }); } };
}

export async function websocketd(argv: readonly string[]): Promise<Measured> {
  const port = await freePort();
  const child = spawn('websocketd', [`--port=${port}`, '--address=127.0.0.1', '--loglevel=error', ...argv], { stdio: 'ignore' });
  await answers(port);
  return { port, pid: child.pid!, stop: () => end(child) };
}

/** What Node does at best: the output of a process piped onto a TCP socket, unframed and unkept. */
export async function plainCopy(argv: readonly string[]): Promise<Measured> {
  const script = `
    const { spawn } = require('node:child_process');
    require('node:net').createServer((socket) => {
      spawn(${JSON.stringify(argv[0])}, ${JSON.stringify(argv.slice(1))}, { stdio: ['ignore', 'pipe', 'ignore'] }).stdout.pipe(socket);
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { port: Number(String(line)), pid: child.pid!, stop: () => end(child) };
}

/** Peak resident memory of a process, in bytes; Linux. */
export async function peakMemory(pid: number): Promise<number> {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** User and system time of a process so far, in milliseconds. */
export async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return;
    } catch {
      await pause(25);
    }
  }
  throw new Error(`nothing answers on port ${port}`);
}
