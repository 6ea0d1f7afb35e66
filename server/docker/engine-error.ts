// Converts engine errors to text for users: the message of the engine, without its internal details.

import { WorkFailed } from '../../calls/contract/engines.ts';

/** Returns the HTTP status of the engine's response; undefined if there was no response. */
export function httpStatus(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** True if the engine could not be reached or its response was cut off. */
export function isUnreachable(error: unknown): boolean {
  return httpStatus(error) === undefined;
}

/** Returns the engine's message on one line, without prefixes and internal paths. */
export function engineMessage(error: unknown): string {
  const json = (error as { json?: { message?: unknown } } | undefined)?.json;
  const message = typeof json?.message === 'string' ? json.message : errorMessage(error);
  return (
    cleanups
      .reduce((text, [pattern, plain]) => text.replace(pattern, plain), message)
      .replace(/\s+/g, ' ')
      .trim() || 'no reason given'
  );
}

/** Prefixes that the layers of the engine put before the message of the layer that failed. */
const wrappers = [
  'failed to create shim(?: task)?',
  'failed to create task(?: for container)?',
  'OCI runtime create failed',
  'runc create failed',
  'runc did not terminate success?fully',
  'Error response from daemon',
];

const portErrorPrefix = [
  '(?:failed to set up container networking: )?',
  'driver failed programming external connectivity on endpoint \\S+ \\([0-9a-f]+\\): ',
  '(?:Error starting userland proxy: )?',
];

const cleanups: readonly (readonly [RegExp, string])[] = [
  [/^\(HTTP code \d+\) [^-]* - /, ''],
  [new RegExp(`^(?:(?:${wrappers.join('|')}): )+`, 'i'), ''],
  [/(?:container_linux\.go:\d+: )?(?:unable to start|starting) container process(?: caused)?: /, ''],
  [/(?:process_linux|rootfs_linux|standard_init_linux)\.go:\d+: /g, ''],
  [new RegExp(`^${portErrorPrefix.join('')}`), ''],
  [/Bind for (\S+) failed: port is already allocated/, 'port $1 is already in use'],
  [/listen (?:tcp|udp)\d? (\S+): bind: address already in use/, 'port $1 is already in use'],
  [/^Error processing tar file\(exit status \d+\): /, ''],
  [/(?:: unknown)+$/, ''],
  [
    /(?:unix:\/\/)?\/[^\s"':]*(?:\/overlay2?\/|\/containers\/|\/containerd\/|docker\.sock|podman\.sock)[^\s"':]*/g,
    '(path inside the engine)',
  ],
];

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Returns a WorkFailed that says what failed and why, whether the engine reported an error or did not answer. */
export function engineFailure(what: string, error: unknown): WorkFailed {
  const why = isUnreachable(error) ? 'the Docker engine does not answer' : engineMessage(error);
  return new WorkFailed(`${what}: ${why}`, { cause: error });
}
