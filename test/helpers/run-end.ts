// Limits the time from the last test to the end of the process, and names what keeps the process running.

import { readlinkSync } from 'node:fs';
import { describeProcess, findHolders } from './describe-process.ts';
import { describeOpenTimers } from './open-timers.ts';

/**
 * Milliseconds for a test run to end after its last test. The teardown stops an engine, which takes seconds under load.
 */
export const endMs = Number(process.env['DISTILLERY_TEST_END_MS'] ?? 60_000);

/** Fails the process if it still runs `endMs` after this call. */
export function limitRunEnd(): void {
  const timer = setTimeout(() => {
    const open = describeOpenResources().join('\n  ');
    process.stderr.write(
      `\nthe process still runs ${endMs} ms after the last test. What keeps it running:\n  ${open}\n`,
    );
    // Mocha's own listener runs first and sets the exit code of the tests. This one overrides it.
    process.once('exit', () => {
      process.exitCode = 1;
    });
    process.exit();
  }, endMs);
  timer.unref();
}

interface LibuvHandle {
  readonly type: string;
  readonly is_active: boolean;
  readonly is_referenced?: boolean;
  readonly pid?: number;
  readonly fd?: number;
  readonly localEndpoint?: Endpoint | null;
  readonly remoteEndpoint?: Endpoint | null;
}

type Endpoint = string | { readonly ip4?: string; readonly ip6?: string; readonly port: number };

/** Returns the kinds of all resources that keep the process running, then the child processes and sockets in detail. */
function describeOpenResources(): readonly string[] {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const { libuv } = process.report!.getReport() as unknown as { readonly libuv: readonly LibuvHandle[] };
  const details = libuv
    .filter((handle) => handle.is_active && handle.is_referenced === true)
    .flatMap(({ type, pid, fd, localEndpoint, remoteEndpoint }) => {
      if (pid !== undefined) return [describeProcess(String(pid))];
      const ends = [localEndpoint, remoteEndpoint].flatMap((end) => (end ? [formatEndpoint(end)] : []));
      if (ends.length > 0) return [`${type} ${ends.join(' to ')}`];
      return fd === undefined ? [] : [describeFile(type, fd)];
    });
  return [...[...counts].map(([kind, count]) => `${count} ${kind}`), ...details, ...describeOpenTimers()];
}

/** Returns what the descriptor is, and the other processes that have it open. */
function describeFile(type: string, fd: number): string {
  const link = readlinkSync(`/proc/self/fd/${fd}`);
  const others = findHolders([link]).filter((pid) => pid !== String(process.pid));
  return `${type} ${link}, open in ${others.map(describeProcess).join(', ') || 'no other process'}`;
}

function formatEndpoint(end: Endpoint): string {
  return typeof end === 'string' ? end : `${end.ip4 ?? end.ip6}:${end.port}`;
}
