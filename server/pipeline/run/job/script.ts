// Turns the commands of a job into command lines for a shell: one shell for all commands, or one per command.

import type { Job } from '../../language/model.ts';

/** Maximum size of one argument. The limit of Linux is 128 KiB (MAX_ARG_STRLEN). */
const argumentBytesMax = 100 << 10;

/** Returns the program and arguments of a shell that executes `script`. */
export function shellFor(script: string, { errexit }: Pick<Job, 'errexit'>): readonly [string, ...string[]] {
  const shell = ['/bin/sh', ...(errexit ? ['-e'] : []), '-c'] as const;
  if (Buffer.byteLength(script) <= argumentBytesMax) return [...shell, script];
  return [...shell, joinArgumentsScript, 'sh', ...splitScript(script)];
}

/** Joins all commands for one shell, so that the working folder and variables persist. */
export function joinScript({ script }: Pick<Job, 'script'>): string {
  return script.join('\n');
}

/**
 * Shell script that joins its arguments and executes the result. It leaves no variable behind except
 * `distillery_script`.
 */
const joinArgumentsScript = 'IFS=; distillery_script="$*"; unset IFS; set --; eval "$distillery_script"';

/** Splits the script into arguments. Never splits a UTF-8 character. */
function splitScript(script: string): readonly string[] {
  const bytes = Buffer.from(script);
  const pieces: string[] = [];
  for (let from = 0; from < bytes.length; ) {
    let to = Math.min(from + argumentBytesMax, bytes.length);
    while (to < bytes.length && (bytes[to]! & 0xc0) === 0x80) to -= 1;
    pieces.push(bytes.toString('utf8', from, to));
    from = to;
  }
  return pieces;
}

/**
 * Keeps a container running while the gateway executes commands in it. After a stop signal it ends when all other
 * processes of the container have ended, because its end would kill them. Needs only a shell. In an image without
 * `sleep`, the shell suspends itself (SIGSTOP), and the container must be killed.
 */
const idleScript = `
exec 2>/dev/null
command -v sleep >/dev/null || kill -STOP $$
stopping=
for signal in TERM INT HUP QUIT USR1 USR2; do trap stopping=1 $signal; done
until [ -n "$stopping" ]; do
  sleep 2147483647 &
  wait $!
done
kill $!
wait
others() {
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    [ "\${line%% *}" = 1 ] || [ "\${line%% *}" = $$ ] && continue
    case \${line##*) } in Z*) ;; *) return 0 ;; esac
  done
  return 1
}
while others; do sleep 0.1 || sleep 1; done
`;

export const idleCommand: readonly [string, ...string[]] = ['/bin/sh', '-c', idleScript];
