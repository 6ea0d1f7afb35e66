// Interface for work made of several containers: build images, create, start, inspect and remove containers one at a
// time. Containers, networks and volumes belong to one run, which records an obligation for each of them before
// creating it. Images and caches outlive the run.

import type { ContainerSpec, Exit } from './engines.ts';
import type { Output, Release } from './ports.ts';

/** A tar archive as a stream. The receiver reads it to the end or cancels it with `return()`. */
export type Archive = AsyncIterable<Uint8Array>;

/** Credentials for one registry. Only the engine receives them. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

export interface PublishedPort {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

/** Describes a step container. There is no `pull`, because `Containers.image` has already provided the image. */
export interface StepSpec extends Omit<ContainerSpec, 'pull'> {
  /** Unique among all containers of the engine; `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. */
  readonly name: string;
  /** Name of the job, for the label `distillery.job`. */
  readonly job: string;
  readonly ports?: readonly PublishedPort[];
  /** Names under which other containers on its network find it. */
  readonly aliases?: readonly string[];
}

export interface StepContainer {
  readonly name: string;
  /** Id that the engine assigned. */
  readonly id: string;
  /**
   * Extracts an archive under `path`, creating the path and its parents if missing. Throws WorkFailed with the reason.
   */
  put(path: string, archive: Archive): Promise<void>;
  /**
   * Returns what is at `path` as an archive, or undefined if nothing is there. The names in the archive begin with the
   * last part of the path. Also works after the container has ended.
   */
  get(path: string): Promise<Archive | undefined>;
  /**
   * Starts the container's command without input and resolves when it runs. `ended` resolves when the command has
   * exited and all its output was written. The caller ends the streams of `output`.
   *
   * Rejects with WorkFailed if the container cannot start, and with WorkLost if it is unknown whether the container has
   * started. `ended` rejects with WorkFailed if the engine reports only after the start that the container cannot
   * start, and with WorkLost if the exit was not observed. `ended` resolves with `{}` if `remove` or the run's stop
   * ended the container first.
   */
  start(output: Output): Promise<{ readonly ended: Promise<Exit> }>;
  /**
   * Runs another command in the running container, without input or terminal. Default folder: the container's working
   * folder.
   */
  exec(command: readonly string[], options: { readonly output: Output; readonly workdir?: string }): Promise<Exit>;
  /**
   * Kills and removes the container with its anonymous volumes, and verifies that they are gone. Idempotent: returns
   * the same promise. Works at any time.
   */
  remove(): Promise<Release>;
  /**
   * Stops the container by the run's stop policy if it runs, then removes it as `remove` does. Idempotent. Works at any
   * time.
   */
  stop(): Promise<Release>;
}

export interface ImageRequest {
  readonly image: string;
  readonly pull: 'missing' | 'always' | 'never';
  readonly login?: RegistryLogin;
  readonly signal: AbortSignal;
  /** Called once if the image has to be pulled. */
  readonly onPull: () => void;
}

export interface BuildRequest {
  /** Name and tag of the new image. */
  readonly tag: string;
  /** Path of the Dockerfile inside the archive. */
  readonly dockerfile: string;
  readonly context: Archive;
  /** Credentials for the base images, by registry host and port. `docker.io` is for names without a registry. */
  readonly logins?: Readonly<Record<string, RegistryLogin>>;
  readonly signal: AbortSignal;
  /** Receives the output of the build. */
  readonly output: Output;
}

export interface Containers {
  /**
   * Resolves when the engine has the image. Throws WorkFailed with the reason, also when the signal is aborted before
   * that.
   */
  image(request: ImageRequest): Promise<void>;
  /**
   * Builds an image and returns its id, which stays valid if another build takes the tag. Throws the same errors as
   * `image`.
   */
  build(request: BuildRequest): Promise<string>;
  /**
   * Creates a network of the run; `name` is unique in the run. Returns the engine's name of the network, for
   * `StepSpec.network`. Idempotent: returns the same network.
   */
  network(name: string): Promise<string>;
  /**
   * Creates a volume, which is removed with the run. Returns the engine's name of the volume, for `StepSpec.volumes`.
   * Idempotent: returns the same volume.
   */
  volume(name: string): Promise<string>;
  /** Finds or creates a volume that outlives the run. All runs of this gateway that use the name share it. */
  cache(name: string): Promise<string>;
  /**
   * Creates a container. Throws WorkFailed with the reason: an error of the engine, a name in use, or the stop of the
   * run.
   */
  create(spec: StepSpec): Promise<StepContainer>;
}
