// What the engine's refusals mean, and how they are told: its own words, without what is only of use to its own log.

import { WorkFailed } from '../../calls/contract/engines.ts';

/** The HTTP status of the engine's answer; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** True when the engine could not be asked at all, or its answer broke off. */
export function isUnreachable(error: unknown): boolean {
  return statusOf(error) === undefined;
}

/** The engine's own message for a person: one line, without wrapping and without paths of the engine's insides. */
export function saidBy(error: unknown): string {
  const json = (error as { json?: { message?: unknown } } | undefined)?.json;
  const message = typeof json?.message === 'string' ? json.message : messageOf(error);
  return noise
    .reduce((text, [pattern, plain]) => text.replace(pattern, plain), message)
    .replace(/\s+/g, ' ')
    .trim() || 'no reason given';
}

const noise: readonly (readonly [RegExp, string])[] = [
  [/^\(HTTP code \d+\) [^-]* - /, ''],
  [/^(?:(?:failed to create (?:shim(?: task)?|task(?: for container)?)|OCI runtime create failed|runc create failed|runc did not terminate success?fully|Error response from daemon): )+/i, ''],
  [/(?:container_linux\.go:\d+: )?(?:unable to start|starting) container process(?: caused)?: /, ''],
  [/(?:process_linux|rootfs_linux|standard_init_linux)\.go:\d+: /g, ''],
  [/^(?:failed to set up container networking: )?driver failed programming external connectivity on endpoint \S+ \([0-9a-f]+\): (?:Error starting userland proxy: )?/, ''],
  [/Bind for (\S+) failed: port is already allocated/, 'port $1 is in use already'],
  [/listen (?:tcp|udp)\d? (\S+): bind: address already in use/, 'port $1 is in use already'],
  [/^Error processing tar file\(exit status \d+\): /, ''],
  [/(?:: unknown)+$/, ''],
  [/(?:unix:\/\/)?\/[^\s"':]*(?:\/overlay2?\/|\/containers\/|\/containerd\/|docker\.sock|podman\.sock)[^\s"':]*/g, '(inside the engine)'],
];

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The engine said no, or said nothing: either way the work failed, and `what` could not be done. */
export function refused(what: string, error: unknown): WorkFailed {
  const why = isUnreachable(error) ? 'the Docker engine does not answer' : saidBy(error);
  return new WorkFailed(`${what}: ${why}`, { cause: error });
}
