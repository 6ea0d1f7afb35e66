// The servers that are measured, each a process of its own: the gateway and its peers.

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { soon } from '../helpers/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'server/cli/bin.js');
/** What `npm start` tells Node. */
const usualArgs = nodeArgsOf((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } }).scripts.start);

/** Everything started here and not yet ended. */
const running = new Set<ChildProcess>();
const startMs = 20_000;
const endMs = 20_000;

export interface Measured {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface MeasuredGateway extends Measured {
  readonly folder: string;
  /** Collects the garbage of the gateway; one that was started with `collectable`. */
  collect(): Promise<void>;
}

/** Arguments of Node that make a gateway collect its garbage on SIGUSR2, and say when that is done. */
export const collectable = ['--expose-gc', '--import', `data:text/javascript,process.on('SIGUSR2',()=>{gc();gc();setTimeout(()=>{gc();console.log('collected')},500)})`] as const;

/** `distillery serve` as `npm start` starts it, with this configuration, API on. `nodeArgs` are further ones for Node. */
export async function gateway(yaml: string, nodeArgs: readonly string[] = []): Promise<MeasuredGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  await writeFile(join(folder, 'distillery.yaml'), `http: { api: true, listen: "127.0.0.1:0" }\ndata: data\n${yaml}`);
  const args = [...usualArgs, ...nodeArgs, bin, 'serve', '--config', join(folder, 'distillery.yaml')];
  const child = start(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LOG_LEVEL: 'warn' } });
  const port = Number(/:(\d+)\s*$/.exec(await firstWords(child))?.[1]);
  return {
    port, pid: child.pid!, folder,
    stop: async () => { await end(child); await rm(folder, { recursive: true, force: true }); },
    collect: async () => {
      child.kill('SIGUSR2');
      await firstWords(child);
    },
  };
}

export async function websocketd(argv: readonly string[]): Promise<Measured> {
  const port = await freePort();
  const child = start('websocketd', [`--port=${port}`, '--address=127.0.0.1', '--loglevel=error', ...argv], { stdio: 'ignore' });
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
  const child = start(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { port: Number(await firstWords(child)), pid: child.pid!, stop: () => end(child) };
}

/** How most servers do it: each client of a `ws` server is sent each line by a `ws.send` of its own. The process starts with the first client. */
export async function sendToEach(argv: readonly string[]): Promise<Measured> {
  const script = `
    const { spawn } = require('node:child_process');
    const { WebSocketServer } = require('ws');
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false }, () => console.log(server.address().port));
    let rest = '';
    let child;
    const tell = (text) => {
      const lines = (rest + text).split('\\n');
      rest = lines.pop();
      for (const line of lines) for (const client of server.clients) client.send(line);
    };
    server.on('connection', (client) => {
      client.on('error', () => {}).send(Buffer.from('hello'));
      child ??= spawn(${JSON.stringify(argv[0])}, ${JSON.stringify(argv.slice(1))}, { stdio: ['ignore', 'pipe', 'ignore'] });
      if (child.stdout.listenerCount('data') === 0) child.stdout.setEncoding('utf8').on('data', tell);
    });`;
  const child = start(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'], cwd: root });
  return { port: Number(await firstWords(child)), pid: child.pid!, stop: () => end(child) };
}

/** Resident memory of a process, now and at its peak, in bytes; Linux. */
export async function memory(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

/** How many child processes it has. */
export async function children(pid: number): Promise<number> {
  const lists = (await readdir(`/proc/${pid}/task`)).map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''));
  return (await Promise.all(lists)).join(' ').split(' ').filter((child) => child !== '').length;
}

/** The peak is from now on (proc_pid_clear_refs(5)). */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** User and system time of a process so far, in milliseconds. */
export async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** For the way out: nothing that was started here goes on. Safe twice. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map(end));
}

function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, args, options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

function nodeArgsOf(command: string): readonly string[] {
  return command.split(' ').filter((word) => word.startsWith('--') && command.indexOf(word) < command.indexOf('server/cli/bin.js'));
}

async function firstWords(child: ChildProcess): Promise<string> {
  const [words] = (await soon(`${child.spawnargs.join(' ')} says where it listens`, once(child.stdout!, 'data'), startMs)) as [Buffer];
  return String(words);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), endMs);
  await exited;
  clearTimeout(late);
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
