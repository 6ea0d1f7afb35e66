// What the commands need and do not make themselves. main.ts hands it in.

import type { Config } from '../config/config.ts';

/** The ends of this process, or of a test. */
export interface Ends {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config; /** All warnings, for people; `` when there is none. */ complain(colour: boolean): string }
  | { readonly ok: false; /** All problems, for people. */ complain(colour: boolean): string };

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ServeOptions {
  /** The file that `config` comes from. */
  readonly file: string;
  readonly config: Config;
  /** In place of the configuration's own. */
  readonly listen?: ListenAddress;
  /** Containers run on an engine of our own where no other can be reached. */
  readonly privateEngine: boolean;
}

export interface RunningGateway {
  /** `http://host:port` */
  readonly url: string;
  /** Ends all runs, then the server. */
  stop(): Promise<void>;
  /** Skips the rest of every grace. */
  hurry(): void;
  /** Resolves when the gateway can no longer be trusted and is to be stopped; the log says why. */
  readonly faulted: Promise<void>;
}

/** What those say of a pipeline's text who know the language. */
export type ReadPipeline =
  /** `complain` gives its warnings, with line, column and the line itself; `` when there is none. */
  | { readonly ok: true; complain(colour: boolean): string; readonly plan: PipelinePlan }
  /** `complain` gives all that is wrong. */
  | { readonly ok: false; complain(colour: boolean): string };

/** What would be done, in which order. */
export interface PipelinePlan {
  /** In an order in which each stands behind all it waits for. */
  readonly jobs: readonly PlannedStep[];
  /** Ids, by the number of jobs that have to end one after the other before them. */
  readonly stages: readonly (readonly string[])[];
  /** Some job needs the caller's files. */
  readonly wantsFiles: boolean;
}

export interface PlannedStep {
  readonly id: string;
  /** Unlike the id, not unique: a job with a matrix is planned several times. */
  readonly name: string;
  /** Ids of those it waits for. */
  readonly after: readonly string[];
  readonly stage: number;
  /** Where it runs: an image, a Dockerfile, or the host. */
  readonly base: { readonly image: string } | { readonly dockerfile: string } | { readonly host: true };
  readonly matrix?: Readonly<Record<string, string>>;
  readonly condition?: { readonly text: string; /** With the variables that are known, and outputs of jobs empty. */ readonly holds: boolean };
  /** Only told when it is not `success`. */
  readonly when?: 'failure' | 'always';
  readonly attempts?: number;
  readonly timeoutMs?: number;
  readonly allowFailure?: true;
  readonly services?: readonly string[];
}

/** What kind of file it is, as far as its keys tell. */
export type FileKind = 'configuration' | 'pipeline';

export interface House {
  readonly version: string;
  /** Never throws for what is in the text. `variables` are those of the run. */
  readPipeline(text: string, file: string, variables: Readonly<Record<string, string>>): Promise<ReadPipeline>;
  /** Never throws; what cannot be read counts as a configuration. */
  kindOfFile(file: string): Promise<FileKind>;
  /** Never throws for what is in the file, or for its absence. `withoutPipelines`: what is in the files of pipelines is not looked at, which takes half as long. */
  loadConfig(file: string, options?: { readonly withoutPipelines: true }): Promise<LoadedConfig>;
  /** Reads `host:port`, or says what is wrong with it. */
  checkListen(address: string): ({ readonly ok: true } & ListenAddress) | { readonly ok: false; readonly message: string };
  /** Follows the configuration file, too. */
  startGateway(options: ServeOptions): Promise<RunningGateway>;
}
