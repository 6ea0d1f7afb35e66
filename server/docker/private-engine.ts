// A Docker engine of our own on a machine that runs none: dockerd in its own network, mount and process namespaces,
// so that it touches no other engine, and so that ending one process ends all of it.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from './connect.ts';
import { importBusybox } from './busybox-image.ts';
import { cgroupOf, removeCgroup } from './private-cgroup.ts';
import { engineParts, type EngineParts } from './private-parts.ts';
import { isAlive, startTime, type ProcessMark } from './process-mark.ts';
import { runtimeFolder } from './runtime-folder.ts';

export interface PrivateEngineOptions {
  /** Everything of the engine is in here: images, containers, log, record. Made when missing. */
  readonly folder: string;
  /** Names to be given to an image of busybox, when there is none of that name; `['busybox:latest']` when absent. */
  readonly images?: readonly string[];
  /** True: the engine ends with the process that started it, however that ends. Otherwise it lives on until `stop`. */
  readonly tie?: boolean;
}

export interface PrivateEngine {
  /** `unix://…` */
  readonly host: string;
  /** The one process to kill; all others end with it. `nsenter --net=/proc/<inside>/ns/net` enters its network. */
  readonly pid: number;
  /** The first process inside the namespaces. */
  readonly inside: number;
  /** Ends the engine with all its containers and waits until no process, mount, cgroup or socket is left. Safe twice. */
  stop(): Promise<void>;
}

interface EngineRecord {
  readonly outer: ProcessMark;
  readonly inner: ProcessMark;
}

interface Place {
  readonly folder: string;
  readonly runtime: string;
  readonly socket: string;
  readonly cgroup: string;
}

const startMs = 30_000;
const stopMs = 15_000;
const lockTaken = 75;

/**
 * Starts the engine of `folder`, or finds the one that runs there already (then `tie` changes nothing).
 * Needs Linux, root, and dockerd, containerd, tini, busybox (static), iptables, ip, unshare: throws an error that names what is missing.
 */
export async function startPrivateEngine(options: PrivateEngineOptions): Promise<PrivateEngine> {
  const parts = await engineParts();
  const place = await placeOf(options.folder);
  const record = (await running(place)) ?? (await start(place, parts, options.tie === true));
  const engine = engineOf(place, record);
  await importBusybox(engine.host, { busybox: parts.busybox, names: options.images ?? ['busybox:latest'] });
  return engine;
}

async function placeOf(folder: string): Promise<Place> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const real = await realpath(folder);
  const runtime = await runtimeFolder(real);
  return { folder: real, runtime, socket: join(runtime, 'docker.sock'), cgroup: cgroupOf(real) };
}

function engineOf(place: Place, record: EngineRecord): PrivateEngine {
  let stopped: Promise<void> | undefined;
  return {
    host: `unix://${place.socket}`,
    pid: record.outer.pid,
    inside: record.inner.pid,
    stop: () => (stopped ??= stop(place, record)),
  };
}

async function start(place: Place, parts: EngineParts, tie: boolean): Promise<EngineRecord> {
  await writeFile(join(place.folder, 'daemon.json'), JSON.stringify(daemonSettings(place, parts)));
  const child = launch(place, parts, tie);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const deadline = Date.now() + startMs;
  let code: number | null | undefined;
  void ended.then((value) => { code = value; });
  while (Date.now() < deadline) {
    // A second starter of the same folder finds the lock taken and waits for the first one's engine.
    if (code !== undefined && code !== lockTaken) break;
    const record = code === undefined ? await noted(place, child) : await running(place);
    if (record !== undefined) return record;
    await pause(20);
  }
  if (code === undefined) child.kill('SIGKILL');
  throw new Error(`the private Docker engine did not start within ${startMs / 1000} s; its last words: ${await lastWords(place)}`);
}

/** Answers once the engine does, and writes down who it is. */
async function noted(place: Place, child: ChildProcess): Promise<EngineRecord | undefined> {
  if (!(await answers(place))) return undefined;
  const outer = await mark(child.pid ?? 0);
  const inner = await mark(await firstChild(outer.pid));
  const record = { outer, inner };
  await writeFile(recordFile(place), JSON.stringify(record));
  return record;
}

function launch(place: Place, parts: EngineParts, tie: boolean): ChildProcess {
  const log = openSync(join(place.folder, 'engine.log'), 'w', 0o600);
  // The kernel sends the signal when the thread that started the process ends, so no death of ours is too sudden for it.
  const tied = tie ? [parts.setpriv, '--pdeathsig', 'KILL', '--'] : [];
  // The lock is an open file that everything inside inherits: it is free exactly when all of it has ended.
  const locked = [parts.flock, '--nonblock', '--no-fork', '-E', String(lockTaken), join(place.folder, 'lock')];
  const apart = [parts.unshare, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const [program, ...args] = [...tied, ...locked, ...apart, 'sh', '-c', inside, 'sh', place.runtime, hidden(place), ...daemonArgs(place)];
  const child = spawn(program as string, args, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: { PATH: parts.path, HOME: place.folder, LANG: 'C.UTF-8' },
  });
  closeSync(log);
  child.on('error', () => {});
  child.unref();
  return child;
}

// Run as the first process of the namespaces. Pid files and sockets of an engine that was killed name processes of a namespace that is gone.
const inside = `
set -e
runtime=$1 hidden=$2; shift 2
for folder in $hidden; do mkdir -p "$folder"; mount -n -t tmpfs tmpfs "$folder"; done
rm -rf "$runtime/exec" "$runtime/docker.pid" "$runtime/docker.sock"
ip link set lo up
exec tini -g -- dockerd "$@"
`;

/** Hiding /run keeps the engine from another containerd's socket, and from leaving anything there. */
function hidden(place: Place): string {
  const needsRun = [place.folder, place.runtime].some((folder) => folder.startsWith('/run/'));
  return needsRun ? '/run/containerd /run/docker' : '/run';
}

function daemonArgs(place: Place): string[] {
  return [
    '--config-file', join(place.folder, 'daemon.json'),
    '--data-root', join(place.folder, 'data'),
    '--exec-root', join(place.runtime, 'exec'),
    '--pidfile', join(place.runtime, 'docker.pid'),
    '--host', `unix://${place.socket}`,
    '--cgroup-parent', `/${place.cgroup}`,
    '--shutdown-timeout', '3',
  ];
}

function daemonSettings(place: Place, parts: EngineParts): object {
  // Engines before 24 would otherwise write a key to /etc/docker; later ones know no such setting.
  return parts.majorVersion < 24 ? { 'deprecated-key-path': join(place.folder, 'key.json') } : {};
}

async function running(place: Place): Promise<EngineRecord | undefined> {
  const record = await readRecord(place);
  if (record === undefined || !(await isAlive(record.inner))) return undefined;
  return (await answers(place)) ? record : undefined;
}

async function readRecord(place: Place): Promise<EngineRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordFile(place), 'utf8')) as EngineRecord;
  } catch {
    return undefined;
  }
}

function recordFile(place: Place): string {
  return join(place.folder, 'engine.json');
}

async function answers(place: Place): Promise<boolean> {
  const reached = await connect(`unix://${place.socket}`);
  if ('why' in reached) return false;
  reached.close();
  return true;
}

async function stop(place: Place, record: EngineRecord): Promise<void> {
  // Killed, not asked: an orderly end takes seconds, and there is nothing in a private engine to be saved from a crash.
  if (await isAlive(record.outer)) process.kill(record.outer.pid, 'SIGKILL');
  const deadline = Date.now() + stopMs;
  while ((await isAlive(record.inner)) && Date.now() < deadline) await pause(10);
  if (await isAlive(record.inner)) throw new Error(`process ${record.inner.pid} of the private Docker engine does not end`);
  await removeCgroup(place.cgroup, deadline);
  await rm(recordFile(place), { force: true });
  if (place.runtime !== place.folder) await rm(place.runtime, { recursive: true, force: true });
}

async function mark(pid: number): Promise<ProcessMark> {
  const started = await startTime(pid);
  if (started === undefined) throw new Error('the private Docker engine ended while it was starting');
  return { pid, started };
}

async function firstChild(pid: number): Promise<number> {
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')[0]);
}

async function lastWords(place: Place): Promise<string> {
  const log = await readFile(join(place.folder, 'engine.log'), 'utf8').catch(() => '');
  return log.trim().split('\n').slice(-3).join(' | ') || '(none)';
}
