// One of several containers of a run, from its creation to its removal.

import type Docker from 'dockerode';
import type { Archive, StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { type Exit, WorkFailed } from '../../calls/contract/engines.ts';
import type { Obligation, Output, Release, RunPorts } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { type ExecCommand, type RunningExec, startExec } from './exec.ts';
import { type ContainerFiles, getFiles, putFiles } from './files/container-files.ts';
import type { UserIds } from './files/container-user.ts';
import { endStepKey, removeContainer } from './release.ts';
import { followToEnd } from './resume.ts';
import { type ContainerRef, type OpenStreams, startContainer } from './start.ts';

export interface StepContainerDeps {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly spec: StepSpec;
  readonly container: Docker.Container;
  readonly obligation: Obligation;
  /** Owner of the files copied into the container. */
  readonly owner: UserIds;
}

export class DockerStepContainer implements StepContainer {
  readonly #deps: StepContainerDeps;
  /** Aborted when the container has to stop, for any reason. */
  readonly #stopping = new AbortController();
  readonly #files: ContainerFiles;
  /** Resolves when `remove` is called, or when a stop has released the container. Pending operations end then. */
  readonly #released: Promise<undefined>;
  #force: () => void = () => {};
  /** How the container ended if `remove` is called now, for the receipt. */
  #endStep: 'removed' | 'SIGKILL' | 'exited' = 'removed';
  #removal: Promise<Release> | undefined;
  #stop: Promise<Release> | undefined;
  /** True from the request that starts the container until its end is observed. */
  #mayRun = false;
  #gone = false;

  constructor(deps: StepContainerDeps) {
    this.#deps = deps;
    this.#files = {
      engine: deps.engine,
      id: deps.container.id,
      signal: AbortSignal.any([this.#stopping.signal, deps.ports.signal]),
    };
    const forced = new Promise<void>((resolve) => {
      this.#force = resolve;
    });
    this.#released = Promise.race([forced, deps.obligation.released]).then(() => undefined);
  }

  get name(): string {
    return this.#deps.spec.name;
  }

  get id(): string {
    return this.#deps.container.id;
  }

  /** True when the removal is verified, so that another container can use the name. */
  get gone(): boolean {
    return this.#gone;
  }

  put(path: string, archive: Archive): Promise<void> {
    return putFiles(this.#files, path, { archive, owner: this.#deps.owner });
  }

  get(path: string): Promise<Archive | undefined> {
    return getFiles(this.#files, path);
  }

  async start(output: Output): Promise<{ readonly ended: Promise<Exit> }> {
    const { engine, container, obligation, spec } = this.#deps;
    const ref: ContainerRef = {
      engine,
      container,
      stopping: this.#files.signal,
      released: this.#released,
      ...(spec.memoryBytes !== undefined && { memoryBytes: spec.memoryBytes }),
    };
    this.#mayRun = true;
    const starting = startContainer(ref, { stdin: false });
    const ended = starting
      .then((streams) => (streams === undefined ? {} : this.#waitUntilEnded(ref, streams, output)))
      .finally(() => {
        this.#mayRun = false;
      });
    // `starting` or the caller of `ended` reports the error. The listener only prevents an uncaught rejection.
    ended.catch(() => {});
    obligation.pendingUntil(ended);
    await starting;
    return { ended };
  }

  async exec(
    command: readonly string[],
    { output, workdir }: { readonly output: Output; readonly workdir?: string },
  ): Promise<Exit> {
    const stopping = this.#files.signal;
    const running = this.#runExec({ argv: command, output, stopping, ...(workdir !== undefined && { workdir }) });
    this.#deps.obligation.pendingUntil(running);
    return running;
  }

  remove(): Promise<Release> {
    return (this.#removal ??= this.#forceRemove());
  }

  stop(): Promise<Release> {
    return (this.#stop ??= this.#mayRun ? this.#stopRunning() : this.remove());
  }

  get #isStopping(): boolean {
    return this.#files.signal.aborted;
  }

  async #waitUntilEnded(ref: ContainerRef, streams: OpenStreams, output: Output): Promise<Exit> {
    this.#endStep = 'SIGKILL';
    const onLost = (): void => this.#deps.ports.events.emit('engine-lost', { container: this.name });
    const onOutputLost = (): void => this.#reportOutputLost();
    const following = followToEnd(streams, { ref, output, onLost, onOutputLost });
    const end = await Promise.race([following, this.#released]);
    if (end === undefined || end.stopped) return {};
    this.#endStep = 'exited';
    if (end.outputLost) this.#reportOutputLost();
    if (end.startError !== undefined) throw new WorkFailed(`cannot start the container: ${end.startError}`);
    return end.exit;
  }

  async #runExec(command: ExecCommand): Promise<Exit> {
    if (this.#isStopping) return {};
    let running: RunningExec | undefined;
    try {
      running = await this.#startExec(command);
      const end = await Promise.race([running?.waitForEnd(), this.#released]);
      if (end?.outputLost === true && !this.#isStopping) this.#reportOutputLost();
      return end === undefined ? {} : end.exit;
    } catch (error) {
      // The releaser may already have removed the container, which is not a failure of the work.
      if (this.#isStopping) return {};
      throw error;
    } finally {
      running?.socket.destroy();
    }
  }

  /** Resolves with undefined if the container is released before the engine answers. */
  async #startExec(command: ExecCommand): Promise<RunningExec | undefined> {
    const starting = startExec(this.#deps.engine, this.id, command);
    const running = await Promise.race([starting, this.#released]);
    if (running === undefined) void starting.then(({ socket }) => socket.destroy()).catch(() => {});
    return running;
  }

  #reportOutputLost(): void {
    this.#deps.obligation.reportOutputCut({ reason: 'engine' });
  }

  #stopRunning(): Promise<Release> {
    this.#stopping.abort();
    return this.#release();
  }

  async #forceRemove(): Promise<Release> {
    const { engine, obligation } = this.#deps;
    this.#stopping.abort();
    this.#force();
    obligation.update({ [endStepKey]: this.#endStep });
    // Ignore errors: the release below retries the removal and verifies that the container is gone.
    await removeContainer(engine, this.id).catch(() => {});
    return this.#release();
  }

  async #release(): Promise<Release> {
    const release = await this.#deps.obligation.release();
    this.#gone = 'how' in release;
    return release;
  }
}
