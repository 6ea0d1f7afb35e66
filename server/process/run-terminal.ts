// One program of a run behind a terminal: one stream of raw bytes both ways, a size, and an end of input that is a character.

import type { Exit, TerminalSpec } from '../../calls/contract/engines.ts';
import type { RunPorts } from '../../calls/contract/ports.ts';
import { conclude } from './conclude.ts';
import { environmentFor, searchPath } from './environment.ts';
import { checkWanted, launch } from './launch.ts';
import type { Host, Launched } from './launch.ts';
import { pause } from './pause.ts';
import { cannotStart, checkStart, findProgram } from './program.ts';
import { loadTerminals } from './pty.ts';
import type { Pty } from './pty.ts';
import { createRelay } from './relay.ts';
import type { Relay } from './relay.ts';
import { endOfInput, typeInput } from './typing.ts';

const terminalName = 'xterm-256color';
const closePollMs = { first: 2, factor: 2, last: 20 } as const;
/** Read in one turn after the exit, before others have theirs. */
const turnBytes = 1 << 20;

export async function runTerminal(host: Host, ports: RunPorts, spec: TerminalSpec): Promise<Exit> {
  checkStart(spec, searchPath(host.environment, spec.env));
  const parts = terminalParts(spec);
  checkWanted(ports, spec.argv[0]);
  const pty = open(parts.open, spec);
  try {
    const obligation = host.owe(ports, spec.argv[0]);
    const env = environmentFor(host.environment, { run: ports.run, id: obligation.id }, { TERM: terminalName, ...spec.env });
    const launched = await launch(spec, obligation, {
      env, detached: false, stdio: [pty.slave, pty.slave, pty.slave], facts: { terminal: true },
      // Makes the terminal the controlling one, which takes a session of its own; the pid stays the same. (`detached` would make it fork.)
      argv: [parts.setsid, '-c', '--', ...spec.argv],
    });
    return await attend(host, ports, { pty, launched, obligation });
  } finally {
    await pty.close();
    ports.output.end('stdout');
  }
}

interface Attended {
  readonly pty: Pty;
  readonly launched: Launched;
  readonly obligation: ReturnType<Host['owe']>;
}

async function attend(host: Host, ports: RunPorts, { pty, launched: { pid, exited }, obligation }: Attended): Promise<Exit> {
  const over = new AbortController();
  const relay = createRelay(ports.output, [pty.output]);
  let heardAt = performance.now();
  pty.output.on('data', (chunk: Uint8Array) => {
    heardAt = performance.now();
    relay.take('stdout', chunk);
  });
  ports.onResize((size) => { if (!over.signal.aborted) pty.resize(size); });
  typeInput({ input: ports.input, pty, heardAt: () => heardAt, over: over.signal })
    .catch((error: unknown) => host.log.error({ err: error }, 'input could not be typed'));
  const forget = host.inputs.opened(ports.run, obligation.id, { end: () => { pty.type(endOfInput); }, pid, file: pty.path });
  try {
    return await conclude({ exited, obligation, relay, drainMs: host.drainMs, signal: ports.signal }, {
      ended() {
        over.abort();
        ports.input.discard();
      },
      closed: (ms) => closes(pty, relay, ms),
      drop() {},
    });
  } finally {
    forget();
  }
}

/** True when everybody else has closed the terminal and its last byte is passed on. */
async function closes(pty: Pty, relay: Relay, ms: number): Promise<boolean> {
  const until = performance.now() + ms;
  for (let wait: number = closePollMs.first; ; wait = Math.min(wait * closePollMs.factor, closePollMs.last)) {
    const bytesBefore = relay.bytes;
    const enough = (): boolean => relay.held || relay.bytes - bytesBefore > turnBytes;
    // What the stream still has comes first.
    const inOrder = !relay.held && pty.output.readableLength === 0;
    if (inOrder && pty.readToEnd((chunk) => relay.take('stdout', chunk), enough)) return true;
    if (relay.held || performance.now() >= until) return false;
    await pause(Math.min(wait, until - performance.now()));
  }
}

function open(openPty: ReturnType<typeof loadTerminals>, spec: TerminalSpec): Pty {
  try {
    return openPty(spec, spec.uid);
  } catch (error) {
    throw cannotStart(spec.argv[0], `no terminal can be opened: ${String(error)}`);
  }
}

function terminalParts({ argv: [program] }: TerminalSpec): { readonly setsid: string; readonly open: ReturnType<typeof loadTerminals> } {
  try {
    return { setsid: findProgram('setsid', { searched: process.env['PATH'] }), open: loadTerminals() };
  } catch (error) {
    throw cannotStart(program, `terminals do not work here, they need the program "setsid" (package util-linux) and a built node-pty: ${String(error)}`);
  }
}
