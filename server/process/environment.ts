// Builds the environment of a process from allow-listed variables of the gateway, variables of the call, and markers.

/** Identifies the run. Every process of a run carries it unless the process clears its environment. */
const runMarker = 'DISTILLERY_RUN';
/** Identifies the obligation within the run, so that its release spares the processes of other obligations. */
const processMarker = 'DISTILLERY_PROCESS';

export interface ProcessMarkers {
  readonly run: string;
  readonly id: string;
}

/**
 * Merges the `allowed` variables of the gateway, the `added` ones and the markers. For equal names, the later group
 * wins.
 */
export function buildEnvironment(
  allowed: readonly string[],
  markers: ProcessMarkers,
  added: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const name of allowed) {
    const value = process.env[name];
    if (value !== undefined) inherited[name] = value;
  }
  return { ...inherited, ...added, [runMarker]: markers.run, [processMarker]: markers.id };
}

/** Returns PATH of the new process, in which its program is looked up. */
export function searchPath(
  allowed: readonly string[],
  added: Readonly<Record<string, string>> = {},
): string | undefined {
  return added['PATH'] ?? (allowed.includes('PATH') ? process.env['PATH'] : undefined);
}

/** Reads the markers from the text of /proc/PID/environ. Undefined without a run marker. */
export function parseMarkers(environ: string): { readonly run: string; readonly id?: string } | undefined {
  const run = readVariable(environ, runMarker);
  if (run === undefined) return undefined;
  const id = readVariable(environ, processMarker);
  return id === undefined ? { run } : { run, id };
}

function readVariable(environ: string, name: string): string | undefined {
  const at = `\0${environ}`.indexOf(`\0${name}=`);
  if (at < 0) return undefined;
  const from = at + name.length + 1;
  const to = environ.indexOf('\0', from);
  return environ.slice(from, to < 0 ? undefined : to);
}
