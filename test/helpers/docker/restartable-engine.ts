// An engine in its own namespaces that a test can stop, kill and start again, with or without live-restore.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from '../../../server/docker/connect.ts';
import { findEnginePrograms } from '../../../server/docker/private/binaries.ts';
import { importBusybox } from '../../../server/docker/private/busybox-image.ts';
import { cgroupName, removeCgroup } from '../../../server/docker/private/private-cgroup.ts';
import { waitUntil } from '../wait-until.ts';

export interface RestartableEngine {
  readonly host: string;
  /** Ends the engine: orderly with SIGTERM, or with SIGKILL. Resolves when it has ended. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts the engine again. Resolves when it answers. */
  start(): Promise<void>;
  /** Ends everything and removes all files. */
  close(): Promise<void>;
}

/** Keeps the namespaces while the engine is stopped, and starts the engine whenever the file `down` does not exist. */
const insideScript = `
folder=$1; shift
mount -n -t tmpfs tmpfs /run
ip link set lo up
exec tini -- sh -c '
folder=$1; shift
while :; do
  while [ -e "$folder/down" ]; do sleep 0.05; done
  rm -f "$folder/docker.pid" "$folder/docker.sock"
  dockerd "$@"
done' sh "$folder" "$@"
`;

export async function startRestartableEngine(options: { readonly liveRestore: boolean }): Promise<RestartableEngine> {
  const programs = await findEnginePrograms();
  const folder = await mkdtemp(join(tmpdir(), 'dk-'));
  const host = `unix://${join(folder, 'docker.sock')}`;
  const cgroup = cgroupName(folder);
  await writeFile(
    join(folder, 'daemon.json'),
    JSON.stringify({
      'live-restore': options.liveRestore,
      ...(programs.majorVersion < 24 && { 'deprecated-key-path': join(folder, 'key.json') }),
    }),
  );
  const child = launch(folder, cgroup, programs);
  const ended = once(child, 'exit');
  const engine: RestartableEngine = {
    host,
    stop: async (signal) => {
      await writeFile(join(folder, 'down'), '');
      const pid = (await readFile(join(folder, 'docker.pid'), 'utf8')).trim();
      await enter(child, ['kill', `-${signal.slice(3)}`, pid]);
      await waitUntil('the engine ends', async () => !(await answers(host)) && !(await runs(child, pid)), 30_000);
    },
    start: async () => {
      await rm(join(folder, 'down'), { force: true });
      await waitUntil('the engine answers', () => answers(host), 30_000);
    },
    close: async () => {
      child.kill('SIGKILL');
      await ended;
      await removeCgroup(cgroup, performance.now() + 15_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await waitUntil('the engine answers', () => answers(host), 30_000);
    await importBusybox(host, { busybox: programs.busybox, names: ['busybox:latest'] });
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function launch(
  folder: string,
  cgroup: string,
  programs: Awaited<ReturnType<typeof findEnginePrograms>>,
): ChildProcess {
  const log = openSync(join(folder, 'engine.log'), 'w', 0o600);
  const path = (name: string): string => join(folder, name);
  const daemon = [
    ...['--config-file', path('daemon.json'), '--data-root', path('data'), '--exec-root', path('exec')],
    ...['--pidfile', path('docker.pid'), '--host', `unix://${path('docker.sock')}`],
    ...['--cgroup-parent', `/${cgroup}`, '--shutdown-timeout', '3'],
  ];
  const inside = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-ec', insideScript];
  const args = ['--pdeathsig', 'KILL', '--', programs.unshare, ...inside, 'sh', folder, ...daemon];
  const child = spawn(programs.setpriv, args, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: { PATH: programs.path, HOME: folder, LANG: 'C.UTF-8' },
  });
  closeSync(log);
  return child;
}

async function answers(host: string): Promise<boolean> {
  const reached = await connect(host);
  if ('why' in reached) return false;
  reached.close();
  return true;
}

async function runs(child: ChildProcess, pid: string): Promise<boolean> {
  return enter(child, ['kill', '-0', pid]).then(
    () => true,
    () => false,
  );
}

/** Runs a command in the namespaces of the engine. */
async function enter(child: ChildProcess, command: readonly string[]): Promise<void> {
  const inside = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ')[0];
  await promisify(execFile)('nsenter', ['--target', String(inside), '--mount', '--pid', '--', ...command]);
}
