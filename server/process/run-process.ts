// One process of a run, from its start to its last byte: pipes, input, output, and the end.

import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Exit, ProcessSpec } from '../../calls/contract/engines.ts';
import type { OutputStream, RunPorts } from '../../calls/contract/ports.ts';
import { within } from '../support/within.ts';
import { conclude } from './conclude.ts';
import { environmentFor, searchPath } from './environment.ts';
import { feed } from './feed.ts';
import { checkWanted, launch } from './launch.ts';
import type { Host } from './launch.ts';
import { readFileOf } from './proc.ts';
import { checkStart } from './program.ts';
import { readInPlace } from './in-place.ts';
import { createRelay } from './relay.ts';

/**
 * bash takes a socket as its input, which Node's pipes are, for a remote login, and would run the user's ~/.bashrc before what it was asked for.
 * It does not when it finds itself inside of another shell.
 */
const nested = { SHLVL: '1' } as const;

type Piped = ChildProcessByStdio<Writable, Readable, Readable>;

export async function runProcess(host: Host, ports: RunPorts, spec: ProcessSpec): Promise<Exit> {
  checkStart(spec, searchPath(host.environment, spec.env));
  checkWanted(ports, spec.argv[0]);
  const obligation = host.owe(ports, spec.argv[0]);
  const env = environmentFor(host.environment, { run: ports.run, id: obligation.id }, { ...nested, ...spec.env });
  const { child, pid, exited } = await launch(spec, obligation, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const { stdin, ...pipes } = child as Piped;
  const stdout = readInPlace(pipes.stdout, (chunk) => relay.take('stdout', chunk));
  const stderr = readInPlace(pipes.stderr, (chunk) => relay.take('stderr', chunk));
  const relay = createRelay(ports.output, [stdout, stderr]);
  const closed = Promise.all([ending('stdout', stdout, ports), ending('stderr', stderr, ports)]).then(() => true);
  feed(ports.input, stdin, host.log);
  const forget = host.inputs.opened(ports.run, obligation.id, { end: () => stdin.destroy(), pid, file: readFileOf(pid, 0) });
  try {
    return await conclude({ exited, obligation, relay, drainMs: host.drainMs, signal: ports.signal }, {
      ended: () => { stdin.destroy(); },
      closed: (ms) => within(ms, closed, () => false),
      drop: () => { for (const stream of [stdin, stdout, stderr]) stream.destroy(); },
    });
  } finally {
    forget();
    ports.output.end('stdout');
    ports.output.end('stderr');
  }
}

/** Resolves when the stream is closed, and so its last byte passed on. */
async function ending(name: OutputStream, stream: Readable, { output }: RunPorts): Promise<void> {
  stream.once('end', () => output.end(name));
  // A broken pipe also closes, and that is what is waited for.
  stream.on('error', () => {});
  await new Promise<void>((resolve) => { stream.once('close', resolve); });
}
