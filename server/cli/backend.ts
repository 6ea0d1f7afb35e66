// Types of what the command line needs from the rest of the server; main.ts provides the implementation.

import type { Config } from '../config/config.ts';

/** Standard streams and environment of this process, or substitutes in a test. */
export interface Stdio {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      /** Returns all warnings as text; empty if there are none. */
      formatDiagnostics(colour: boolean): string;
    }
  | {
      readonly ok: false;
      /** Returns all diagnostics as text. */
      formatDiagnostics(colour: boolean): string;
    };

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ServeOptions {
  /** The file that `config` was loaded from. */
  readonly file: string;
  readonly config: Config;
  /** Overrides `http.listen`. */
  readonly listen?: ListenAddress;
  /** If no Docker engine can be reached, start one for this gateway. */
  readonly privateEngine: boolean;
  /** The data folder is a copy: give it an identity of its own. */
  readonly newIdentity: boolean;
}

export interface RunningGateway {
  /** `http://host:port` */
  readonly url: string;
  /** Ends all runs, then closes the server. Leaves container runs to the next gateway on request. */
  stop(leaveContainers: boolean): Promise<void>;
  /** Skips the rest of every grace period. */
  forceStop(): void;
  /** Resolves after an uncaught exception, when the gateway has to stop; the log has the error. */
  readonly crashed: Promise<void>;
}

/** The part of a pipeline that a command plans, and the variables for it. */
export interface PipelineSelection {
  /** Variables of the run. */
  readonly var?: Readonly<Record<string, string>>;
  /** Names or ids of jobs, which run with the jobs they depend on. Empty: all jobs. */
  readonly job?: readonly string[];
}

/** A gateway that runs only for the duration of one command. */
export interface PrivateGateway {
  /** Path of the Unix socket on which the gateway listens. */
  readonly socketPath: string;
  /** Ends all runs, then closes the gateway. */
  stop(): Promise<void>;
}

/** Result of checking the text of a pipeline. */
export type ReadPipeline =
  /** `formatDiagnostics` returns the warnings, with line, column and source line; empty if there are none. */
  | {
      readonly ok: true;
      formatDiagnostics(colour: boolean): string;
      readonly plan: PipelinePlanView;
      /** The warnings that `formatDiagnostics` returns. */
      readonly warnings: readonly { readonly message: string; readonly line: number; readonly column: number }[];
    }
  /** `formatDiagnostics` returns all errors and warnings. */
  | { readonly ok: false; formatDiagnostics(colour: boolean): string };

/** The jobs of a pipeline in the order in which they would run. */
export interface PipelinePlanView {
  /** Sorted: every job follows the jobs it depends on. */
  readonly jobs: readonly PlannedJobView[];
  /** Job ids by stage. The stage of a job is the length of its longest chain of dependencies. */
  readonly stages: readonly (readonly string[])[];
  /** True if at least one job needs the caller's files. */
  readonly wantsFiles: boolean;
}

export interface PlannedJobView {
  readonly id: string;
  /** Not unique, unlike the id: a job with a matrix is planned several times. */
  readonly name: string;
  /** Ids of the jobs that this job depends on. */
  readonly after: readonly string[];
  readonly stage: number;
  /** Where the job runs: an image, a Dockerfile, or the host. */
  readonly base: { readonly image: string } | { readonly dockerfile: string } | { readonly host: true };
  readonly matrix?: Readonly<Record<string, string>>;
  readonly condition?: {
    readonly text: string;
    /** Value of the condition with the known variables; outputs of jobs count as empty. */
    readonly holds: boolean;
  };
  /** Absent for `success`, the default. */
  readonly when?: 'failure' | 'always';
  readonly attempts?: number;
  readonly timeoutMs?: number;
  readonly allowFailure?: true;
  readonly services?: readonly string[];
}

/** Kind of a file, judged by its top-level keys. */
export type FileKind = 'configuration' | 'pipeline' | 'unknown';

export interface CliBackend {
  readonly version: string;
  /** Checks and plans the text of a pipeline. Never rejects because of the text. */
  readPipeline(text: string, file: string, selection: PipelineSelection): Promise<ReadPipeline>;
  /** Never rejects. */
  detectFileKind(file: string): Promise<FileKind>;
  /**
   * Loads and checks the whole file, and runs its modules. With `needsEngine`, also warns if calls need a Docker engine
   * and none answers. Never rejects because of what the file contains.
   */
  loadConfig(file: string, options?: { readonly needsEngine?: boolean }): Promise<LoadedConfig>;
  /** Reads only the listen address. Resolves with undefined if the file or the address is not valid. */
  readListen(file: string): Promise<ListenAddress | undefined>;
  /** Parses and checks `host:port`. */
  checkListen(
    address: string,
  ): ({ readonly ok: true } & ListenAddress) | { readonly ok: false; readonly message: string };
  /** Starts a gateway that also applies changes of its configuration file. */
  startGateway(options: ServeOptions): Promise<RunningGateway>;
  /**
   * Starts a gateway in this process that only this user can reach. Like `startGateway`, it uses the data folder of
   * `config`. Without `config`, uses the defaults in the current folder.
   */
  startPrivateGateway(config: Config | undefined): Promise<PrivateGateway>;
}
