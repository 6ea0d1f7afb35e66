// Containers step by step, for work that is made of several: built, fed, started, looked into and removed one by one. All of it is bound to one run:
// what is made here is an obligation of that run from before it is there.

import type { ContainerSpec, Exit } from './engines.ts';
import type { Output, Release } from './ports.ts';

/** A tar archive, as it is read. Whoever has it reads it to its end, or drops it with `return()`. */
export type Archive = AsyncIterable<Uint8Array>;

/** For one registry. Never told to anybody but the engine. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/** How a service says that it is ready, asked by the engine inside of its container. */
export interface HealthCheck {
  /** One line for `/bin/sh`. */
  readonly command: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  /** After the start, failures do not count for so long. */
  readonly startMs: number;
}

export interface PublishedPort {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

/** `pull` plays no part in it: the image is there already (`Containers.image`). */
export interface StepSpec extends Omit<ContainerSpec, 'pull'> {
  /** Unique among all containers of the engine; `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. */
  readonly name: string;
  /** Its job, for the label `distillery.job`. */
  readonly job: string;
  readonly ports?: readonly PublishedPort[];
  /** Names by which others on its network find it. */
  readonly aliases?: readonly string[];
  readonly health?: HealthCheck;
}

/** `starting` until the first check has passed or too many have failed. `gone`: it does not run, or is not there. */
export type Health = 'starting' | 'healthy' | 'unhealthy' | 'gone';

export interface StepContainer {
  readonly name: string;
  /** The engine's own id. */
  readonly id: string;
  /** Unpacks an archive under `path`, which is made, with its parents, when it is not there. Throws WorkFailed with the engine's reason. */
  put(path: string, archive: Archive): Promise<void>;
  /** What is at `path`, as an archive whose names begin with the last part of the path; undefined when there is nothing. Also after it has ended. */
  get(path: string): Promise<Archive | undefined>;
  /**
   * Starts its command, without input. Resolves when that is running; `ended` when it has ended and its output is all passed on: where the streams of
   * `output` end is the caller's to say. Rejects with WorkFailed when it cannot be started, `ended` too when only that one can tell; `ended` rejects with WorkLost when its end was not seen, and resolves with `{}` when `remove` or the run's stop came first.
   */
  start(output: Output): Promise<{ readonly ended: Promise<Exit> }>;
  /** Runs one more command in it, without input and terminal, in its working folder unless told otherwise. To be called while it runs. */
  exec(command: readonly string[], options: { readonly output: Output; readonly workdir?: string }): Promise<Exit>;
  /** Of a container with a health check; without one it is healthy while it runs. */
  health(): Promise<Health>;
  /** By force, with its anonymous volumes, and verified. Safe twice and at any moment: the same promise. */
  remove(): Promise<Release>;
  /** Asks it to stop by the run's stop policy first, and then as `remove`. Safe twice and at any moment. */
  stop(): Promise<Release>;
}

export interface ImageWish {
  readonly image: string;
  readonly pull: 'missing' | 'always' | 'never';
  readonly login?: RegistryLogin;
  readonly signal: AbortSignal;
  /** Called once, when the image has to be pulled. */
  readonly onPull: () => void;
}

export interface BuildWish {
  /** Name and tag the image gets. */
  readonly tag: string;
  /** Of the Dockerfile, in the archive. */
  readonly dockerfile: string;
  readonly context: Archive;
  /** For the images it is made from: by the host of their registry, with its port; `docker.io` is that of names without one. */
  readonly logins?: Readonly<Record<string, RegistryLogin>>;
  readonly signal: AbortSignal;
  /** What the build prints. */
  readonly output: Output;
}

export interface Containers {
  /** Resolves when the engine has the image. Throws WorkFailed with the engine's reason, also when the signal is aborted. */
  image(wish: ImageWish): Promise<void>;
  /** Builds an image and gives its id, which stays the same when another build takes the tag. Throws as `image`. */
  build(wish: BuildWish): Promise<string>;
  /** Makes a network of the run; `name` is unique in the run. Gives the engine's name of it, for `StepSpec.network`. Safe twice: the same one. */
  network(name: string): Promise<string>;
  /** Makes a volume of the run, removed with it. Gives the engine's name of it, for `StepSpec.volumes`. Safe twice: the same one. */
  volume(name: string): Promise<string>;
  /** Finds or makes a volume that stays when the run is over, shared by all runs of this gateway that name it. */
  cache(name: string): Promise<string>;
  /** Makes a container. Throws WorkFailed with the engine's reason. */
  create(spec: StepSpec): Promise<StepContainer>;
}
