// Creates the context that the body of a call receives: parameters, ports, and the engines bound to its run.

import type { Context } from '../../calls/contract/context.ts';
import type { Engines } from '../../calls/contract/engines.ts';
import type { Input, RunPorts } from '../../calls/contract/ports.ts';
import type { CleanupScope } from './cleanup.ts';
import type { RunLog } from './log/log.ts';
import type { RunSpec } from './run-spec.ts';

/** Engines not yet bound to a run. */
export type UnboundEngines = { readonly [name in keyof Engines]: (ports: RunPorts) => Engines[name] };

export interface ContextDeps {
  readonly run: string;
  readonly spec: RunSpec;
  readonly signal: AbortSignal;
  /** Returns the signal for work that continues when the run is stopped. */
  readonly finalSignal: () => AbortSignal;
  readonly input: Input;
  readonly log: RunLog;
  readonly scope: CleanupScope;
  readonly engines: UnboundEngines;
  readonly onResize: RunPorts['onResize'];
  /** Opens an obligation. Throws WorkFailed if none may be opened. */
  readonly open: <T>(open: () => T) => T;
}

/** Returns the context and, for the adoption of a container, the ports. */
export function createContext(deps: ContextDeps): { readonly context: Context; readonly ports: RunPorts } {
  const {
    run,
    spec: { params, caller, terminal },
    scope,
    open,
  } = deps;
  const ports = createPorts(deps);
  const context: Context = {
    run,
    params,
    caller,
    signal: ports.signal,
    input: ports.input,
    output: ports.output,
    events: ports.events,
    engines: bindEngines(deps.engines, ports),
    ...(terminal !== undefined && { terminal }),
    defer: (name, work) => open(() => scope.defer(name, work)),
  };
  return { context, ports };
}

function createPorts({ run, spec, signal, finalSignal, input, log, scope, open, onResize }: ContextDeps): RunPorts {
  let final: RunPorts | undefined;
  const ports: RunPorts = {
    run,
    signal,
    input,
    output: log.output,
    stop: spec.stop,
    onResize,
    events: { emit: (type, facts) => log.emit(type, facts) },
    openObligation: (kind, id, facts) => open(() => scope.openObligation(kind, id, facts)),
    afterStop: () =>
      (final ??= {
        ...ports,
        signal: finalSignal(),
        openObligation: (kind, id, facts) => open(() => scope.openFinalObligation(kind, id, facts)),
        afterStop: () => ports.afterStop(),
      }),
  };
  return ports;
}

function bindEngines(engines: UnboundEngines, ports: RunPorts): Engines {
  return {
    process: (spec) => engines.process(ports)(spec),
    terminal: (spec) => engines.terminal(ports)(spec),
    container: (spec) => engines.container(ports)(spec),
    pipeline: (spec) => engines.pipeline(ports)(spec),
  };
}
