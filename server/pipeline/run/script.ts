// The commands of a job as what is executed: one shell for all of them, or one for each.

import type { Job } from '../language/tree.ts';

/** The kernel takes 128 KiB in one argument (MAX_ARG_STRLEN). */
const argumentBytesMax = 100 << 10;

/** Program and arguments of a shell that executes `script` and nothing else; `$0` is `sh`. */
export function shellFor(script: string, { errexit }: Pick<Job, 'errexit'>): readonly [string, ...string[]] {
  const shell = ['/bin/sh', ...(errexit ? ['-e'] : []), '-c'] as const;
  if (Buffer.byteLength(script) <= argumentBytesMax) return [...shell, script];
  return [...shell, joining, 'sh', ...inPieces(script)];
}

/** All commands in one shell: folder and variables persist. */
export function joined({ script }: Pick<Job, 'script'>): string {
  return script.join('\n');
}

/** Joins its arguments to one script, and leaves nothing of that behind but the variable. */
const joining = 'IFS=; distillery_script="$*"; unset IFS; set --; eval "$distillery_script"';

/** Never cut inside of a character. */
function inPieces(script: string): readonly string[] {
  const bytes = Buffer.from(script);
  const pieces: string[] = [];
  for (let from = 0; from < bytes.length;) {
    let to = Math.min(from + argumentBytesMax, bytes.length);
    while (to < bytes.length && (bytes[to]! & 0xc0) === 0x80) to -= 1;
    pieces.push(bytes.toString('utf8', from, to));
    from = to;
  }
  return pieces;
}

/**
 * Keeps a container there while commands are executed in it. Ends at once on TERM, needs nothing of the image but its shell: where there is no `sleep`, the
 * shell stops itself, and is ended by force.
 */
export const keeper: readonly [string, ...string[]] = [
  '/bin/sh', '-c', 'command -v sleep >/dev/null 2>&1 && exec sleep 2147483647; kill -STOP $$',
];
