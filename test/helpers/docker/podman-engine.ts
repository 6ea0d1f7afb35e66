// Starts a Podman service in its own namespaces, without systemd. Returns undefined if Podman is not installed.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../../server/docker/connect.ts';
import { findEnginePrograms } from '../../../server/docker/private/binaries.ts';
import { importBusybox } from '../../../server/docker/private/busybox-image.ts';
import { waitUntil } from '../wait-until.ts';

export interface PodmanEngine {
  readonly host: string;
  close(): Promise<void>;
}

const insideScript = `
folder=$1 helpers=$2; shift 2
mount -n -t tmpfs tmpfs /run
[ "$helpers" = installed ] || mount -n --bind "$helpers" /usr/libexec/podman
ip link set lo up
exec tini -g -- podman --root "$folder/root" --runroot "$folder/run" --tmpdir "$folder/tmp" --storage-driver vfs \\
  --cgroup-manager cgroupfs --runtime runc system service --time=0 "unix://$folder/podman.sock"
`;

/** With `init: false`, Podman does not find its init (catatonit). */
export async function startPodmanEngine(options: { readonly init: boolean }): Promise<PodmanEngine | undefined> {
  if (spawnSync('podman', ['--version']).status !== 0) return undefined;
  const programs = await findEnginePrograms();
  const folder = await mkdtemp(join(tmpdir(), 'pm-'));
  const host = `unix://${join(folder, 'podman.sock')}`;
  const empty = join(folder, 'empty');
  await mkdir(empty);
  await writeFile(
    join(folder, 'containers.conf'),
    '[containers]\nlog_driver="k8s-file"\n[engine]\nevents_logger="file"\n',
  );
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const inside = ['sh', '-ec', insideScript, 'sh', folder, options.init ? 'installed' : empty];
  const child = spawn(programs.setpriv, ['--pdeathsig', 'KILL', '--', programs.unshare, ...namespaces, ...inside], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env: { PATH: programs.path, HOME: folder, CONTAINERS_CONF: join(folder, 'containers.conf') },
  });
  const ended = once(child, 'exit');
  const answers = async (): Promise<boolean> => {
    const reached = await connect(host);
    if ('why' in reached) return false;
    reached.close();
    return true;
  };
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitUntil('Podman answers', answers, 30_000);
    await importBusybox(host, { busybox: programs.busybox, names: ['busybox:latest'] });
    return { host, close };
  } catch (error) {
    await close();
    throw error;
  }
}
