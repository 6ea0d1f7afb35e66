// What the body of a call is handed: its parameters and ports, and the engines bound to its run.

import type { Context } from '../../calls/contract/context.ts';
import type { Engines } from '../../calls/contract/engines.ts';
import type { Input, Output, RunPorts } from '../../calls/contract/ports.ts';
import type { CleanupScope } from './cleanup.ts';
import type { RunFacts } from './facts.ts';
import type { RunLog } from './log/log.ts';

/** Engines not yet bound to a run. */
export type UnboundEngines = { readonly [name in keyof Engines]: (ports: RunPorts) => Engines[name] };

export interface ContextParts {
  readonly run: string;
  readonly facts: RunFacts;
  readonly signal: AbortSignal;
  readonly input: Input;
  readonly log: RunLog;
  readonly scope: CleanupScope;
  readonly engines: UnboundEngines;
  readonly onResize: RunPorts['onResize'];
  /** Opens an obligation, if one may be opened. */
  readonly open: <T>(owe: () => T) => T;
}

/** The ports are for those who go on with what an earlier gateway began. */
export function contextOf(parts: ContextParts): { readonly context: Context; readonly ports: RunPorts } {
  const { run, facts: { params, caller, terminal }, scope, open } = parts;
  const ports = portsOf(parts);
  const context: Context = {
    run, params, caller, signal: ports.signal, input: ports.input, output: ports.output, events: ports.events,
    engines: bind(parts.engines, ports),
    ...(terminal !== undefined && { terminal }),
    defer: (name, work) => open(() => scope.defer(name, work)),
  };
  return { context, ports };
}

function portsOf({ run, facts, signal, input, log, scope, open, onResize }: ContextParts): RunPorts {
  return {
    run, signal, input, output: outputOf(log, log), stop: facts.stop, onResize,
    events: { emit: (type, facts) => log.emit(type, facts) },
    owe: (kind, id, facts) => open(() => scope.owe(kind, id, facts)),
  };
}

function bind(engines: UnboundEngines, ports: RunPorts): Engines {
  return {
    process: (spec) => engines.process(ports)(spec),
    terminal: (spec) => engines.terminal(ports)(spec),
    container: (spec) => engines.container(ports)(spec),
    pipeline: (spec) => engines.pipeline(ports)(spec),
  };
}

function outputOf(log: RunLog, source: Pick<RunLog, 'write' | 'endStream'>): Output {
  return {
    write: (stream, chunk) => source.write(stream, chunk),
    get full() { return log.full; },
    drained: () => log.drained(),
    end: (stream) => source.endStream(stream),
    part: (name) => outputOf(log, log.part(name)),
  };
}
