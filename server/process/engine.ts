// The engine for processes and terminals: what a run starts on this machine, and how all of it is ended again.
// Linux is the target. Without /proc (macOS, BSD) processes run, but their end cannot be verified: releasing them says so.

import type { Exit, ProcessSpec, TerminalSpec } from '../../calls/contract/engines.ts';
import type { Obligation, Releaser, RunPorts } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Logger } from '../support/logger.ts';
import { awaits } from './awaiting.ts';
import { createInputs } from './inputs.ts';
import type { Host } from './launch.ts';
import { obligationFacts } from './kin.ts';
import { createReleaser } from './release.ts';
import { runProcess } from './run-process.ts';
import { runTerminal } from './run-terminal.ts';
import { createSurveyor } from './survey.ts';

export interface ProcessEngineOptions {
  /** Names of the gateway's environment variables that the work gets. */
  readonly environment: readonly string[];
  readonly limits: Pick<Limits, 'drainMs'>;
  readonly log: Logger;
}

export interface ProcessEngine {
  /** Starts a process for the run and resolves when it has ended and its output is all in the log. Throws WorkFailed when it cannot be started. */
  process(ports: RunPorts): (spec: ProcessSpec) => Promise<Exit>;
  /** The same behind a terminal: one stream of raw bytes, told as `stdout`. */
  terminal(ports: RunPorts): (spec: TerminalSpec) => Promise<Exit>;
  /** Whether a process of the run is known to wait for its input at this moment. Costs some reads in /proc. Never rejects. */
  awaitsInput(run: string): Promise<boolean>;
  /** Ends and verifies an obligation of kind `process`, also one that an earlier gateway left in the journal. */
  readonly release: Releaser;
}

export function createProcessEngine({ environment, limits, log }: ProcessEngineOptions): ProcessEngine {
  const inputs = createInputs();
  // Counted for each run, by what all ports of a run share: a part of one may have ports of its own.
  const started = new WeakMap<RunPorts['events'], number>();
  const owe = (ports: RunPorts, program: string): Obligation & { readonly id: string } => {
    const count = (started.get(ports.events) ?? 0) + 1;
    const id = `process-${count}`;
    started.set(ports.events, count);
    const owed = ports.owe('process', id, obligationFacts(program));
    return { id, learn: (facts) => owed.learn(facts), during: (flow) => owed.during(flow), release: () => owed.release() };
  };
  const host: Host = { environment, drainMs: limits.drainMs, log, inputs, owe };
  return {
    process: (ports) => (spec) => runProcess(host, ports, spec),
    terminal: (ports) => (spec) => runTerminal(host, ports, spec),
    awaitsInput: async (run) => (await Promise.all(inputs.of(run).map(awaits))).includes(true),
    release: createReleaser({ survey: createSurveyor(), inputs, log }),
  };
}
