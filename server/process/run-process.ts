// Runs one process from its start to its last byte of output.

import type { Readable } from 'node:stream';
import type { Exit, ProcessSpec } from '../../calls/contract/engines.ts';
import type { OutputStream, RunPorts } from '../../calls/contract/ports.ts';
import { omitUndefined } from '../../calls/text/omit-undefined.ts';
import { withTimeout } from '../support/with-timeout.ts';
import { cgroupHasOomKill } from './cgroup/cgroups.ts';
import { cannotStart, checkStart } from './check-start.ts';
import { buildEnvironment, searchPath } from './environment.ts';
import type { SpawnContext } from './launch.ts';
import { assertNotStopped, launch } from './launch.ts';
import { createOutputRelay } from './output-relay.ts';
import { pumpStdin } from './pump-stdin.ts';
import { waitForExit } from './wait-for-exit.ts';

/**
 * SHLVL for a program whose environment has none. The pipes of child_process are sockets. Bash treats a socket on stdin
 * as a remote login and would run ~/.bashrc first; a value above 0 prevents that.
 */
const nestedShell = { SHLVL: '1' } as const;

export async function runProcess(context: SpawnContext, ports: RunPorts, spec: ProcessSpec): Promise<Exit> {
  const file = checkStart(spec, searchPath(context.environment, spec.env));
  assertNotStopped(ports, spec.argv[0]);
  const cgroup = openCgroup(context, ports, spec);
  const obligation = context.openObligation(ports, spec.argv[0], omitUndefined({ cgroup }));
  const env = buildEnvironment(
    context.environment,
    { run: ports.run, id: obligation.id },
    { ...nestedShell, ...spec.env },
  );
  const { pid, exited, pipes } = await launch(context, spec, { obligation, file, env, cgroup });
  const { stdin } = pipes!;
  const stdout = pipes!.read('stdout', (chunk) => relay.forward('stdout', chunk));
  const stderr = pipes!.read('stderr', (chunk) => relay.forward('stderr', chunk));
  const relay = createOutputRelay(ports.output, [stdout, stderr]);
  const closed = Promise.all([waitForClose('stdout', stdout, ports), waitForClose('stderr', stderr, ports)]).then(
    () => true,
  );
  pumpStdin(ports.input, stdin, context.log);
  const unregister = context.inputs.add(ports.run, obligation.id, {
    end: () => stdin.destroy(),
    pid,
    file: pipes!.files[0] ?? '',
  });
  try {
    const exit = await waitForExit(
      { exited, obligation, relay, drain: context.drain, ports },
      {
        onExit: () => {
          stdin.destroy();
        },
        waitForClose: (ms) => withTimeout(ms, closed, () => false),
        destroy: () => {
          for (const stream of [stdin, stdout, stderr]) stream.destroy();
        },
      },
    );
    return cgroup !== undefined && cgroupHasOomKill(cgroup) ? { ...exit, oomKilled: true } : exit;
  } finally {
    unregister();
    ports.output.end('stdout');
    ports.output.end('stderr');
  }
}

/** Returns the folder of a cgroup with the limits of the process; undefined if the process has no limits. */
function openCgroup({ cgroups, starter }: SpawnContext, ports: RunPorts, spec: ProcessSpec): string | undefined {
  const limits = omitUndefined({ memoryBytes: spec.memoryBytes, cpus: spec.cpus, pidsMax: spec.pidsMax });
  if (Object.keys(limits).length === 0) return undefined;
  if (starter.name !== 'posix_spawn')
    throw cannotStart(spec.argv[0], `memory, cpus and pids need posix_spawn, which is not in use: ${starter.reason}`);
  return cgroups.open(ports, limits);
}

/** Resolves when the stream is closed and its last byte forwarded. */
async function waitForClose(name: OutputStream, stream: Readable, { output }: RunPorts): Promise<void> {
  stream.once('end', () => output.end(name));
  // Ignore errors such as a broken pipe, because the event `close` follows.
  stream.on('error', () => {});
  await new Promise<void>((resolve) => {
    stream.once('close', resolve);
  });
}
