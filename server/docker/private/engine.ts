// Runs a private Docker engine on a machine that has none. Its processes have their own network, mount and process
// namespaces. The engine therefore affects no other engine, and one signal ends all its processes.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '../../support/delay.ts';
import { makeFolder } from '../../support/make-folder.ts';
import { connect } from '../connect.ts';
import { type EnginePrograms, findEnginePrograms } from './binaries.ts';
import { importBusybox } from './busybox-image.ts';
import { cgroupName, removeCgroup } from './private-cgroup.ts';
import { isAlive, type ProcessIdentity, readStartTime } from './process-identity.ts';
import { ensureRuntimeFolder } from './runtime-dir.ts';

export interface PrivateEngineOptions {
  /** Folder for everything that the engine stores: images, containers, log, record. Created if missing. */
  readonly folder: string;
  /** Names for an image of busybox, imported if missing. Default: `['busybox:latest']`. */
  readonly images?: readonly string[];
  /**
   * With true, the engine ends when the process that started it ends, even by SIGKILL. Otherwise the engine runs until
   * `stop`.
   */
  readonly dieWithParent?: boolean;
}

export interface PrivateEngine {
  /** `unix://…` */
  readonly host: string;
  /**
   * The process whose end also ends all other processes of the engine. `nsenter --net=/proc/<insidePid>/ns/net` enters
   * the engine's network.
   */
  readonly pid: number;
  /** Pid of the first process inside the namespaces. */
  readonly insidePid: number;
  /** Ends the engine and its containers. Resolves when no process, mount, cgroup or socket remains. Idempotent. */
  stop(): Promise<void>;
}

interface EngineRecord {
  readonly outer: ProcessIdentity;
  readonly inner: ProcessIdentity;
}

interface EnginePaths {
  readonly folder: string;
  readonly runtime: string;
  readonly socket: string;
  readonly cgroup: string;
}

const startMs = 30_000;
const stopMs = 15_000;
const lockTakenCode = 75;

/**
 * Starts the engine of `folder`, or returns the running one (`dieWithParent` has no effect then).
 *
 * Needs Linux, root, and dockerd, containerd, tini, busybox (static), iptables, ip, unshare. Rejects with an error that
 * names what is missing.
 */
export async function startPrivateEngine(options: PrivateEngineOptions): Promise<PrivateEngine> {
  const programs = await findEnginePrograms();
  const paths = await preparePaths(options.folder);
  const record = (await findRunning(paths)) ?? (await start(paths, programs, options.dieWithParent === true));
  const engine = toPrivateEngine(paths, record);
  await importBusybox(engine.host, { busybox: programs.busybox, names: options.images ?? ['busybox:latest'] });
  return engine;
}

async function preparePaths(folder: string): Promise<EnginePaths> {
  makeFolder(folder, 0o700);
  const real = await realpath(folder);
  const runtime = await ensureRuntimeFolder(real);
  return { folder: real, runtime, socket: join(runtime, 'docker.sock'), cgroup: cgroupName(real) };
}

function toPrivateEngine(paths: EnginePaths, record: EngineRecord): PrivateEngine {
  let stopped: Promise<void> | undefined;
  return {
    host: `unix://${paths.socket}`,
    pid: record.outer.pid,
    insidePid: record.inner.pid,
    stop: () => (stopped ??= stop(paths, record)),
  };
}

async function start(paths: EnginePaths, programs: EnginePrograms, dieWithParent: boolean): Promise<EngineRecord> {
  await writeFile(join(paths.folder, 'daemon.json'), JSON.stringify(daemonSettings(paths, programs)));
  const child = launch(paths, programs, dieWithParent);
  const ended = once(child, 'exit').then(([exitCode]) => exitCode as number | null);
  const deadline = performance.now() + startMs;
  let code: number | null | undefined;
  void ended.then((value) => {
    code = value;
  });
  while (performance.now() < deadline) {
    // With `lockTakenCode`, another process holds the lock of this folder because it is starting the same engine. Wait
    // for that engine.
    if (code !== undefined && code !== lockTakenCode) break;
    const record = code === undefined ? await recordWhenReady(paths, child) : await findRunning(paths);
    if (record !== undefined) return record;
    await delay(20);
  }
  if (code === undefined) child.kill('SIGKILL');
  throw new Error(
    `the private Docker engine did not start within ${startMs / 1000} s; last log lines: ${await readLogTail(paths)}`,
  );
}

/**
 * Stores and returns the record of the engine if the engine answers; undefined if it does not answer yet. Also
 * undefined if `child` does not hold the lock of the folder. Such a process ends without a child, and another process
 * owns the engine.
 */
async function recordWhenReady(paths: EnginePaths, child: ChildProcess): Promise<EngineRecord | undefined> {
  if (!(await isReady(paths))) return undefined;
  const outer = await readIdentity(child.pid ?? 0);
  const inner = await readIdentity(await firstChild(child.pid ?? 0));
  if (outer === undefined || inner === undefined) return undefined;
  const record = { outer, inner };
  await writeFile(recordFile(paths), JSON.stringify(record));
  return record;
}

function launch(paths: EnginePaths, programs: EnginePrograms, dieWithParent: boolean): ChildProcess {
  const log = openSync(join(paths.folder, 'engine.log'), 'w', 0o600);
  // The kernel sends the signal when the thread that started the process ends, however abruptly that happens.
  const parentDeathArgs = dieWithParent ? [programs.setpriv, '--pdeathsig', 'KILL', '--'] : [];
  // The lock is an open file that all processes of the engine inherit. The lock is free exactly when all of them have
  // ended.
  const lockArgs = [programs.flock, '--nonblock', '--no-fork', '-E', String(lockTakenCode), join(paths.folder, 'lock')];
  const namespaceArgs = [programs.unshare, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const [program, ...args] = [
    ...parentDeathArgs,
    ...lockArgs,
    ...namespaceArgs,
    'sh',
    '-c',
    insideScript,
    'sh',
    paths.runtime,
    hiddenFolders(paths),
    ...daemonArgs(paths),
  ];
  const child = spawn(program as string, args, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: { PATH: programs.path, HOME: paths.folder, LANG: 'C.UTF-8' },
  });
  closeSync(log);
  child.on('error', () => {});
  child.unref();
  return child;
}

// This script runs as the first process of the namespaces. It removes pid files and sockets of a killed engine, because
// they refer to a namespace that no longer exists.
const insideScript = `
set -e
runtime=$1 hidden=$2; shift 2
for folder in $hidden; do mkdir -p "$folder"; mount -n -t tmpfs tmpfs "$folder"; done
rm -rf "$runtime/exec" "$runtime/docker.pid" "$runtime/docker.sock"
ip link set lo up
exec tini -g -- dockerd "$@"
`;

/**
 * Returns the folders to hide from the engine. Hiding /run keeps the engine away from the socket of another containerd
 * and from leaving files there.
 */
function hiddenFolders(paths: EnginePaths): string {
  const needsRun = [paths.folder, paths.runtime].some((folder) => folder.startsWith('/run/'));
  return needsRun ? '/run/containerd /run/docker' : '/run';
}

function daemonArgs(paths: EnginePaths): string[] {
  return [
    '--config-file',
    join(paths.folder, 'daemon.json'),
    '--data-root',
    join(paths.folder, 'data'),
    '--exec-root',
    join(paths.runtime, 'exec'),
    '--pidfile',
    join(paths.runtime, 'docker.pid'),
    '--host',
    `unix://${paths.socket}`,
    '--cgroup-parent',
    `/${paths.cgroup}`,
    '--shutdown-timeout',
    '3',
  ];
}

function daemonSettings(paths: EnginePaths, programs: EnginePrograms): object {
  // Engines before version 24 would otherwise write a key to /etc/docker; later versions reject this setting.
  return programs.majorVersion < 24 ? { 'deprecated-key-path': join(paths.folder, 'key.json') } : {};
}

async function findRunning(paths: EnginePaths): Promise<EngineRecord | undefined> {
  const record = await readRecord(paths);
  if (record === undefined || !(await isAlive(record.inner))) return undefined;
  return (await isReady(paths)) ? record : undefined;
}

async function readRecord(paths: EnginePaths): Promise<EngineRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordFile(paths), 'utf8')) as EngineRecord;
  } catch {
    return undefined;
  }
}

function recordFile(paths: EnginePaths): string {
  return join(paths.folder, 'engine.json');
}

async function isReady(paths: EnginePaths): Promise<boolean> {
  const reached = await connect(`unix://${paths.socket}`);
  if ('why' in reached) return false;
  reached.close();
  return true;
}

async function stop(paths: EnginePaths, record: EngineRecord): Promise<void> {
  // SIGKILL, because an orderly shutdown takes seconds and a private engine has no data to protect.
  if (await isAlive(record.outer)) process.kill(record.outer.pid, 'SIGKILL');
  const deadline = performance.now() + stopMs;
  while ((await isAlive(record.inner)) && performance.now() < deadline) await delay(10);
  if (await isAlive(record.inner))
    throw new Error(`process ${record.inner.pid} of the private Docker engine does not end`);
  await removeCgroup(paths.cgroup, deadline);
  await rm(recordFile(paths), { force: true });
  if (paths.runtime !== paths.folder) await rm(paths.runtime, { recursive: true, force: true });
}

async function readIdentity(pid: number): Promise<ProcessIdentity | undefined> {
  const started = await readStartTime(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Returns the pid of the first child; 0, which is no process, if the process has ended or has no child. */
async function firstChild(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return Number(children.trim().split(' ')[0]);
}

async function readLogTail(paths: EnginePaths): Promise<string> {
  const log = await readFile(join(paths.folder, 'engine.log'), 'utf8').catch(() => '');
  return log.trim().split('\n').slice(-3).join(' | ') || '(none)';
}
