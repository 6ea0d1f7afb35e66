// Sends the stop signal to the processes of a container that the engine's own signal does not reach.

import type Docker from 'dockerode';

/**
 * Shell script that signals every process except those that have received the signal already. These are the first
 * process of the container and, if that is an init, its child. Docker's init also passes the signal on to the process
 * group of its child. Parents come before their children: a shell with `-e` would exit when its child has ended.
 * Sends SIGCONT to stopped processes, so that they can handle the signal. Needs only a POSIX shell.
 */
const script = `
signal=$1 first= others= stopped=
read -r init </proc/1/comm
each() {
  cd /proc
  for pid in [0-9] [0-9][0-9] [0-9][0-9][0-9] [0-9][0-9][0-9][0-9]*; do
    read -r line <"$pid/stat" || continue
    "$1" "$pid" \${line##*) }
  done
}
find_first() {
  if [ "$3" = 1 ] && [ -z "$first" ]; then first=$1; fi
}
collect() {
  [ "$1" != 1 ] && [ "$1" != $$ ] || return
  was_signalled "$1" "$4" || others="$others $1"
  [ "$2" != T ] || stopped="$stopped $1"
}
was_signalled() {
  case $init in
    docker-init | tini) [ "$1" = "$first" ] || { [ -n "\${TINI_KILL_PROCESS_GROUP+x}" ] && [ "$2" = "$first" ]; } ;;
    podman-init | catatonit) [ "$1" = "$first" ] ;;
    *) false ;;
  esac
}
each find_first
each collect
[ -z "$others" ] || kill -s "$signal" $others
[ -z "$stopped" ] || kill -s CONT $stopped
`;

/**
 * Sends `signal` to the processes of a running container that have not received it from the engine or from the init.
 * Has no effect on an image without a shell, or on a container that has ended. Never rejects.
 */
export async function signalOtherProcesses(container: Docker.Container, signal: string): Promise<void> {
  try {
    const exec = await container.exec({
      Cmd: ['/bin/sh', '-c', script, 'sh', signal.replace(/^SIG/, '')],
      // The processes may belong to any user.
      User: '0',
    });
    await exec.start({ Detach: true });
  } catch {
    // SIGKILL follows after the grace.
  }
}
