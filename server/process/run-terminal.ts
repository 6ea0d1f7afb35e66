// Runs one program on a terminal: one raw byte stream in each direction, a size, and a character that ends the input.

import type { Availability, Exit, TerminalSpec } from '../../calls/contract/engines.ts';
import type { RunPorts } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import { cannotStart, checkStart, findProgram } from './check-start.ts';
import { buildEnvironment, searchPath } from './environment.ts';
import type { OpenedObligation, SpawnContext } from './launch.ts';
import { assertNotStopped, launch } from './launch.ts';
import type { OutputRelay } from './output-relay.ts';
import { createOutputRelay } from './output-relay.ts';
import type { Pty } from './pty.ts';
import { loadPty } from './pty.ts';
import type { StartedProcess } from './start/starter.ts';
import { eofCharacter, writeTerminalInput } from './terminal-input.ts';
import { waitForExit } from './wait-for-exit.ts';

const terminalName = 'xterm-256color';
const closePollMs = { first: 2, factor: 2, last: 20 } as const;
/** Maximum number of bytes to read in one event-loop turn after the exit. */
const turnBytesMax = 1 << 20;

export async function runTerminal(context: SpawnContext, ports: RunPorts, spec: TerminalSpec): Promise<Exit> {
  checkStart(spec, searchPath(context.environment, spec.env));
  const deps = loadTerminalDeps(spec);
  assertNotStopped(ports, spec.argv[0]);
  const pty = openTerminal(deps.open, spec);
  try {
    const obligation = context.openObligation(ports, spec.argv[0], { terminal: true });
    const env = buildEnvironment(
      context.environment,
      { run: ports.run, id: obligation.id },
      { TERM: terminalName, ...spec.env },
    );
    const started = await launch(context, spec, {
      obligation,
      env,
      terminal: pty.slave,
      // The program `setsid` makes the terminal the controlling terminal, which requires a new session. The pid stays
      // the same; if the starter created the session, `setsid` would fork.
      file: deps.setsid,
      argv: ['setsid', '-c', '--', ...spec.argv],
    });
    return await serveTerminal(context, ports, { pty, started, obligation });
  } finally {
    await pty.close();
    ports.output.end('stdout');
  }
}

interface StartedTerminal {
  readonly pty: Pty;
  readonly started: StartedProcess;
  readonly obligation: OpenedObligation;
}

async function serveTerminal(
  context: SpawnContext,
  ports: RunPorts,
  { pty, started: { pid, exited }, obligation }: StartedTerminal,
): Promise<Exit> {
  const exit = new AbortController();
  const relay = createOutputRelay(ports.output, [pty.output]);
  let lastOutputAt = performance.now();
  pty.output.on('data', (chunk: Uint8Array) => {
    lastOutputAt = performance.now();
    relay.forward('stdout', chunk);
  });
  ports.onResize((size) => {
    if (!exit.signal.aborted) pty.resize(size);
  });
  writeTerminalInput({ input: ports.input, pty, lastOutputAt: () => lastOutputAt, exited: exit.signal }).catch(
    (error: unknown) => context.log.error({ err: error }, 'cannot write input to the terminal'),
  );
  const unregister = context.inputs.add(ports.run, obligation.id, {
    end: () => {
      pty.write(eofCharacter);
    },
    pid,
    file: pty.path,
  });
  try {
    return await waitForExit(
      { exited, obligation, relay, drain: context.drain, ports },
      {
        onExit() {
          exit.abort();
          ports.input.discard();
        },
        waitForClose: (ms) => waitForClose(pty, relay, ms),
        destroy() {},
      },
    );
  } finally {
    unregister();
  }
}

/**
 * Returns true when no other process has the terminal open and its last byte is forwarded. Returns false after `ms`, or
 * as soon as the relay is paused.
 */
async function waitForClose(pty: Pty, relay: OutputRelay, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms;
  for (let wait: number = closePollMs.first; ; wait = Math.min(wait * closePollMs.factor, closePollMs.last)) {
    const bytesBefore = relay.bytes;
    const shouldStop = (): boolean => relay.paused || relay.bytes - bytesBefore > turnBytesMax;
    // The stream must deliver its buffered bytes first.
    const isBufferEmpty = !relay.paused && pty.output.readableLength === 0;
    if (isBufferEmpty && pty.readToEnd((chunk) => relay.forward('stdout', chunk), shouldStop)) return true;
    if (relay.paused || performance.now() >= deadline) return false;
    await delay(Math.min(wait, deadline - performance.now()));
  }
}

function openTerminal(openPty: ReturnType<typeof loadPty>, spec: TerminalSpec): Pty {
  try {
    return openPty(spec, spec.uid);
  } catch (error) {
    throw cannotStart(spec.argv[0], `cannot open a terminal: ${String(error)}`);
  }
}

function loadTerminalDeps({ argv: [program] }: TerminalSpec): TerminalDeps {
  const deps = findTerminalDeps();
  if ('missing' in deps) throw cannotStart(program, deps.missing);
  return deps;
}

/** Returns whether this machine can open terminals. */
export function terminalAvailability(): Availability {
  const deps = findTerminalDeps();
  return 'missing' in deps ? { available: false, reason: deps.missing } : { available: true };
}

interface TerminalDeps {
  readonly setsid: string;
  readonly open: ReturnType<typeof loadPty>;
}

function findTerminalDeps(): TerminalDeps | { readonly missing: string } {
  try {
    return { setsid: findProgram('setsid', { pathVariable: process.env['PATH'] }), open: loadPty() };
  } catch (error) {
    // Keep only the first line: in Node's message about a missing module, a stack follows it.
    const [reason] = String(error).split('\n');
    return { missing: `terminals need the program "setsid" (package util-linux) and a built node-pty: ${reason}` };
  }
}
