// What a call may start: processes, terminals and containers, each already bound to the run that asked.
// The engines in server/ implement these; a body cannot reach anything that would outlive its run.

import type { Json } from '../../protocol/record.ts';

/** How a process or container is asked to stop: the signal first, SIGKILL when `graceMs` is over. */
export interface StopPolicy {
  readonly signal: StopSignal;
  readonly graceMs: number;
}

export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGKILL'] as const;
export type StopSignal = (typeof stopSignals)[number];

/** How the work itself ended. Exactly one of `exitCode` and `signal` is there when that much is known. */
export interface Exit {
  readonly exitCode?: number;
  readonly signal?: string;
  /** The memory limit was hit by some process of the container, even if the exit code is 0. */
  readonly oomKilled?: boolean;
}

export interface ProcessSpec {
  /** Program and arguments; never a shell string. A program without a slash is looked up in PATH. */
  readonly argv: readonly [string, ...string[]];
  /** Added to the allow-listed environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly umask?: number;
  /** Numeric; only where the gateway is root. */
  readonly uid?: number;
  readonly gid?: number;
}

export interface TerminalSpec extends ProcessSpec {
  readonly cols: number;
  readonly rows: number;
}

export interface ContainerSpec {
  readonly image: string;
  /** Absent: the image's own command. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `host-path-or-volume:/path[:ro]`, host paths absolute. */
  readonly volumes?: readonly string[];
  /** `none`, `bridge`, `host`, or the name of a network; `bridge` when absent. */
  readonly network?: string;
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly pidsMax?: number;
  /** `uid[:gid]` or `name[:group]`, as the image knows them. */
  readonly user?: string;
  readonly readOnly?: boolean;
  readonly workdir?: string;
  readonly pull?: 'missing' | 'always' | 'never';
}

/** Where the files of a pipeline come from: nowhere, a folder of the gateway's machine (absolute), or the input of the run, as an archive. */
export type WorkspaceSource =
  | { readonly from: 'nowhere' }
  | { readonly from: 'folder'; readonly path: string }
  /** A tar archive, gzipped or not; `base64`: in base64, cut into lines anywhere. */
  | { readonly from: 'input'; readonly encoding: 'base64' | 'binary' };

/** What the operator lets a pipeline do beyond containers, networks and volumes of its own. */
export interface PipelineAllowance {
  /** Jobs with `host: true`. */
  readonly hostJobs: boolean;
  /** Folders of this machine (absolute) that jobs may mount, with all that is in them; `true`: any. */
  readonly mounts: readonly string[] | true;
  /** Jobs may use the network of this machine (`network: host`). */
  readonly hostNetwork: boolean;
  /** Engines that `docker.host` of a file may name; any other is passed over, with a warning. */
  readonly engines: readonly string[];
  /** Secrets it may ask for, by name. */
  readonly secrets: readonly string[];
}

export interface PipelineSpec {
  readonly text: string;
  /** What the text is called in complaints, e.g. `release.yaml`. */
  readonly file: string;
  /**
   * The folder of that file (absolute), when it is one of the operator's own on the gateway's machine. Mounts that are written relative to it (`./dir:/path`) are
   * then the operator's, and allowed whatever `allow.mounts` says. Absent: relative mounts are refused.
   */
  readonly folder?: string;
  /** For conditions, and in the environment of every job. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly workspace: WorkspaceSource;
  readonly allow: PipelineAllowance;
}

export type Availability = { readonly available: true } | { readonly available: false; readonly reason: string };

/**
 * Each member starts one thing, wires it to the run's input and output, and resolves when it has ended and its output is all in the log.
 * All throw `WorkFailed` when the thing cannot be started (no such program, no such image), and `WorkLost` when it was started and its end
 * was not seen. None is ended by its own promise being
 * dropped: the run's stop does that, whichever state it is in.
 */
export interface Engines {
  process(spec: ProcessSpec): Promise<Exit>;
  terminal(spec: TerminalSpec): Promise<Exit>;
  container(spec: ContainerSpec): Promise<Exit>;
  /** Never throws WorkFailed for a job: how its jobs ended is in the ending's `value`, and the first failed one in `failure`. */
  pipeline(spec: PipelineSpec): Promise<PipelineEnding>;
}

export interface PipelineEnding extends Exit {
  /** Why the pipeline failed, e.g. `job "build" failed: exited with code 2`; absent when it did not. */
  readonly failure?: string;
  /** `PipelineValue` of server/pipeline/run/events.ts: how each job ended, and the outputs. */
  readonly value?: Json;
}

export type EngineName = keyof Engines;

/** The work failed, or could not start: the caller reads `message`. Anything else thrown is our mistake and reads `unknown error`. */
export class WorkFailed extends Error {
  override readonly name = 'WorkFailed';

  /** By name: a module of the operator's may have been compiled apart from us, and then has a class of its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'WorkFailed';
  }
}

/** The work was started, and how it ended was not seen: the outcome is `unknown`. The caller reads `message`. */
export class WorkLost extends Error {
  override readonly name = 'WorkLost';

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'WorkLost';
  }
}
