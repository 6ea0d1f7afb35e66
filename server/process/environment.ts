// What a process finds in its environment: the allow-listed part of the gateway's, what its call adds, and our marks.

/** Names the run. Every process of a run carries it, unless it cleans its environment. */
export const runMark = 'DISTILLERY_RUN';
/** Names the obligation within the run, so that ending one process of a run leaves the others alone. */
export const processMark = 'DISTILLERY_PROCESS';

export interface Marks {
  readonly run: string;
  readonly id: string;
}

/** Later ones win: `allowed` names of `from`, then `added`, then the marks. */
export function environmentFor(
  allowed: readonly string[], marks: Marks, added: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of allowed) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, ...added, [runMark]: marks.run, [processMark]: marks.id };
}

/** The PATH a process will have, which is where its program is looked for. */
export function searchPath(allowed: readonly string[], added: Readonly<Record<string, string>> = {}): string | undefined {
  return added['PATH'] ?? (allowed.includes('PATH') ? process.env['PATH'] : undefined);
}

/** The marks in the text of /proc/PID/environ; undefined where there is no run mark. */
export function marksIn(environ: string): { readonly run: string; readonly id?: string } | undefined {
  const run = valueIn(environ, runMark);
  if (run === undefined) return undefined;
  const id = valueIn(environ, processMark);
  return id === undefined ? { run } : { run, id };
}

function valueIn(environ: string, name: string): string | undefined {
  const at = `\0${environ}`.indexOf(`\0${name}=`);
  if (at < 0) return undefined;
  const from = at + name.length + 1;
  const to = environ.indexOf('\0', from);
  return environ.slice(from, to < 0 ? undefined : to);
}
