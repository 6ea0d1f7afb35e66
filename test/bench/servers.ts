// Starts the servers to measure, each in its own process: the gateway and its peers.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../helpers/free-port.ts';
import { withDeadline } from '../helpers/wait-until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'server/bin.js');
/** Options that `npm start` passes to Node. */
const startScriptArgs = parseNodeArgs(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } }).scripts.start,
);

/** Child processes of this module that have not ended. */
const running = new Set<ChildProcess>();
const startMs = 20_000;
const endMs = 20_000;

export interface BenchServer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface BenchGateway extends BenchServer {
  readonly folder: string;
  /** Collects garbage. Only for gateways started with `gcOnSignalArgs`. */
  collectGarbage(): Promise<void>;
}

/** Node options that make a gateway collect its garbage on SIGWINCH and print when it is done. */
export const gcOnSignalArgs = [
  '--expose-gc',
  '--import',
  `data:text/javascript,process.on('SIGWINCH',()=>{gc();gc();setTimeout(()=>{gc();console.log('collected')},500)})`,
] as const;

/**
 * Starts `distillery serve` like `npm start` does, with this configuration and the API on. `nodeArgs` are additional
 * options for Node. `data` is the data folder; without it, the gateway has an empty one.
 */
export async function startBenchGateway(
  yaml: string,
  nodeArgs: readonly string[] = [],
  data = 'data',
): Promise<BenchGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const http = 'http: { api: true, listen: "127.0.0.1:0" }';
  await writeFile(join(folder, 'distillery.yaml'), `${http}\ndata: ${data}\n${yaml}`);
  const args = [...startScriptArgs, ...nodeArgs, bin, 'serve', '--config', join(folder, 'distillery.yaml')];
  const child = start(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LOG_LEVEL: 'warn' },
  });
  const port = Number(/:(\d+)\s*$/.exec(await readFirstOutput(child))?.[1]);
  return {
    port,
    pid: child.pid!,
    folder,
    stop: async () => {
      await stopProcess(child);
      await rm(folder, { recursive: true, force: true });
    },
    collectGarbage: async () => {
      child.kill('SIGWINCH');
      await readFirstOutput(child);
    },
  };
}

export async function startWebsocketd(argv: readonly string[]): Promise<BenchServer> {
  const port = await freePort();
  const child = start('websocketd', [`--port=${port}`, '--address=127.0.0.1', '--loglevel=error', ...argv], {
    stdio: 'ignore',
  });
  await waitForHttp(port);
  return { port, pid: child.pid!, stop: () => stopProcess(child) };
}

/**
 * Starts the fastest server that Node allows: it pipes the output of a process to a TCP socket, without frames and
 * without a log.
 */
export async function startPlainCopy(argv: readonly string[]): Promise<BenchServer> {
  const script = `
    const { spawn } = require('node:child_process');
    require('node:net').createServer((socket) => {
      const stdio = ['ignore', 'pipe', 'ignore'];
      spawn(${JSON.stringify(argv[0])}, ${JSON.stringify(argv.slice(1))}, { stdio }).stdout.pipe(socket);
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
  const child = start(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { port: Number(await readFirstOutput(child)), pid: child.pid!, stop: () => stopProcess(child) };
}

/**
 * Starts a server in the common style: it calls `ws.send` for each line and client. The first client starts the
 * process.
 */
export async function startSendToEach(argv: readonly string[]): Promise<BenchServer> {
  const script = `
    const { spawn } = require('node:child_process');
    const { WebSocketServer } = require('ws');
    const stdio = ['ignore', 'pipe', 'ignore'];
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
    server.on('listening', () => console.log(server.address().port));
    let rest = '';
    let child;
    const tell = (text) => {
      const lines = (rest + text).split('\\n');
      rest = lines.pop();
      for (const line of lines) for (const client of server.clients) client.send(line);
    };
    server.on('connection', (client) => {
      client.on('error', () => {}).send(Buffer.from('hello'));
      child ??= spawn(${JSON.stringify(argv[0])}, ${JSON.stringify(argv.slice(1))}, { stdio });
      if (child.stdout.listenerCount('data') === 0) child.stdout.setEncoding('utf8').on('data', tell);
    });`;
  const child = start(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'], cwd: root });
  return { port: Number(await readFirstOutput(child)), pid: child.pid!, stop: () => stopProcess(child) };
}

/** Returns the resident memory of a process in bytes, now and at its peak. Linux only. */
export async function readMemory(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

/** Returns the number of child processes of a process. */
export async function countChildren(pid: number): Promise<number> {
  const lists = (await readdir(`/proc/${pid}/task`)).map((thread) =>
    readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''),
  );
  return (await Promise.all(lists))
    .join(' ')
    .split(' ')
    .filter((child) => child !== '').length;
}

/** Resets the peak memory of a process to its current memory (proc_pid_clear_refs(5)). */
export async function resetPeakMemory(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** Returns the user and system time of a process in milliseconds. */
export async function readCpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Stops every server that this module has started. Idempotent. */
export async function stopAllServers(): Promise<void> {
  await Promise.all([...running].map(stopProcess));
}

function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, args, options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

function parseNodeArgs(command: string): readonly string[] {
  return command
    .split(' ')
    .filter((word) => word.startsWith('--') && command.indexOf(word) < command.indexOf('server/bin.js'));
}

async function readFirstOutput(child: ChildProcess): Promise<string> {
  const [words] = (await withDeadline(
    `${child.spawnargs.join(' ')} prints its first output`,
    once(child.stdout!, 'data'),
    startMs,
  )) as [Buffer];
  return String(words);
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), endMs);
  await exited;
  clearTimeout(late);
}

async function waitForHttp(port: number): Promise<void> {
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
