// The engines that a body can use: processes, terminals, containers and pipelines, already bound to the run. The folder
// server/ implements them; nothing that a body starts can outlive its run.

import type { Json } from '../../protocol/run-record.ts';
import type { Diagnostic } from '../text/diagnostic.ts';

/** How a process or container is stopped: with this signal first, and with SIGKILL after `graceMs`. */
export interface StopPolicy {
  readonly signal: StopSignal;
  readonly graceMs: number;
}

export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGKILL'] as const;
export type StopSignal = (typeof stopSignals)[number];

/** How the work exited. Exactly one of `exitCode` and `signal` is set if the exit is known. */
export interface Exit {
  readonly exitCode?: number;
  readonly signal?: string;
  /** True if a process of the container hit the memory limit. The exit code may still be 0. */
  readonly oomKilled?: boolean;
}

export interface ProgramSpec {
  /** Program and arguments, never a shell command. A program without a slash is looked up in PATH. */
  readonly argv: readonly [string, ...string[]];
  /** Variables in addition to those that the gateway passes on from its own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly umask?: number;
  /** Numeric user id; works only if the gateway runs as root. */
  readonly uid?: number;
  readonly gid?: number;
}

export interface ProcessSpec extends ProgramSpec {
  /** Limits for the process and all its descendants. They need a cgroup (version 2) that the gateway may create. */
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly pidsMax?: number;
}

export interface TerminalSpec extends ProgramSpec {
  readonly cols: number;
  readonly rows: number;
}

export interface ContainerSpec {
  readonly image: string;
  /** Command of the container. Absent: the command of the image. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `host-path-or-volume:/path[:ro]`; host paths are absolute. */
  readonly volumes?: readonly string[];
  /** `none`, `bridge`, `host` or the name of a network. Default `bridge`. */
  readonly network?: string;
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly pidsMax?: number;
  /** `uid[:gid]` or `name[:group]`; the image resolves names. */
  readonly user?: string;
  readonly readOnly?: boolean;
  readonly workdir?: string;
  readonly pull?: 'missing' | 'always' | 'never';
}

/**
 * Where the files of a pipeline come from: nowhere, a folder on the gateway's machine (absolute), or the run's input as
 * an archive.
 */
export type WorkspaceSource =
  | { readonly from: 'nowhere' }
  | { readonly from: 'folder'; readonly path: string }
  /** A tar archive, optionally gzipped. `base64`: encoded in base64, with line breaks anywhere. */
  | { readonly from: 'input'; readonly encoding: 'base64' | 'binary' };

/** What the operator permits a pipeline to use, beyond its own containers, networks and volumes. */
export interface PipelinePermissions {
  /** True if the pipeline may have jobs with `host: true`. */
  readonly hostJobs: boolean;
  /** Folders on this machine (absolute) that jobs may mount, subfolders included. `true`: all folders. */
  readonly mounts: readonly string[] | true;
  /** True if jobs may use the network of this machine (`network: host`). */
  readonly hostNetwork: boolean;
  /** Engines that `docker.host` of a pipeline file may name. The pipeline ignores other engines with a warning. */
  readonly engines: readonly string[];
  /** Names of the secrets that the pipeline may use. */
  readonly secrets: readonly string[];
}

/** A plan made by the pipeline engine. Opaque: only that engine reads it. */
export interface PipelinePlan {
  readonly jobs: readonly unknown[];
}

export interface PlannedPipeline {
  /** The plan. Absent when one of the diagnostics is an error. */
  readonly plan?: PipelinePlan;
  /** Display name of the pipeline. */
  readonly title?: string;
  /** Errors and warnings, in the order of the text. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Parses, checks and plans the text of a pipeline. With `jobs`, the plan has only these jobs and those they depend on.
 * Never throws.
 */
export type PlanPipeline = (text: string, allow: PipelinePermissions, jobs?: readonly string[]) => PlannedPipeline;

export interface PipelineSpec {
  readonly text: string;
  /** What `PlanPipeline` returned for this text and `allow`. Absent: the engine plans the text. */
  readonly planned?: PlannedPipeline;
  /** The name of the text in diagnostics, e.g. `release.yaml`. */
  readonly file: string;
  /**
   * Folder of the file (absolute) if the file belongs to the operator of this machine. Relative mounts (`./dir:/path`)
   * then belong to the operator too and are allowed, regardless of `allow.mounts`. Absent: relative mounts are
   * rejected.
   */
  readonly folder?: string;
  /** Names or ids of jobs to run, with those they depend on. Absent or empty: all jobs. */
  readonly jobs?: readonly string[];
  /** Variables for conditions and for the environment of every job. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly workspace: WorkspaceSource;
  readonly allow: PipelinePermissions;
}

export type Availability = { readonly available: true } | { readonly available: false; readonly reason: string };

/**
 * Each member starts one piece of work and connects it to the run's input and output. It resolves when the work has
 * exited and all output is in the log.
 *
 * Throws `WorkFailed` if the work cannot start (no such program, no such image) and `WorkLost` if the exit was not
 * observed. Dropping the promise does not stop the work; stopping the run does, in every state.
 */
export interface Engines {
  process(spec: ProcessSpec): Promise<Exit>;
  terminal(spec: TerminalSpec): Promise<Exit>;
  container(spec: ContainerSpec): Promise<Exit>;
  /**
   * Runs a pipeline. A failed job does not throw WorkFailed: `value` tells how the jobs ended and `failure` names the
   * first failed one.
   */
  pipeline(spec: PipelineSpec): Promise<PipelineResult>;
}

export interface PipelineResult extends Exit {
  /** Why the pipeline failed, e.g. `job "build" failed: exited with code 2`; absent if it succeeded. */
  readonly failure?: string;
  /** `PipelineValue` of server/pipeline/run/events/events.ts: how each job ended, and the outputs. */
  readonly value?: Json;
}

export type EngineName = keyof Engines;

/**
 * The work failed or could not start; the caller receives `message`. For any error other than WorkFailed and WorkLost,
 * the caller receives `unknown error`.
 */
export class WorkFailed extends Error {
  override readonly name = 'WorkFailed';

  /** Compares by name, because a separately compiled module of the operator has a WorkFailed class of its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'WorkFailed';
  }
}

/** The work started but its exit was not observed, so the outcome is `unknown`. The caller receives `message`. */
export class WorkLost extends Error {
  override readonly name = 'WorkLost';

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'WorkLost';
  }
}
