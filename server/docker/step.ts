// One container of a run that is made of several, from its creation to its removal.

import type Docker from 'dockerode';
import type { Archive, Health, StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { WorkFailed, type Exit } from '../../calls/contract/engines.ts';
import type { Obligation, Output, Release, RunPorts } from '../../calls/contract/ports.ts';
import { beginContainer, type Life, type Open } from './begin.ts';
import type { Connection } from './connect.ts';
import { startCommand } from './exec.ts';
import { refused, statusOf } from './failure.ts';
import { getFiles, putFiles, type Files } from './files.ts';
import { followContainer } from './follow.ts';
import type { Owner } from './owner.ts';
import { remove, removedAfter } from './release.ts';

export interface StepParts {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly spec: StepSpec;
  readonly container: Docker.Container;
  readonly owed: Obligation;
  /** Whom its files belong to. */
  readonly owner: Owner;
}

export class Step implements StepContainer {
  readonly #parts: StepParts;
  /** Aborted when it is to end, by whichever way. */
  readonly #ending = new AbortController();
  readonly #files: Files;
  /** Resolves when it is removed by force: nothing of it is waited for any more. */
  readonly #forced: Promise<void>;
  #force: () => void = () => {};
  /** The step that `remove` ends it by, as a receipt tells it. */
  #stage: 'removed' | 'SIGKILL' | 'exited' = 'removed';
  #removal: Promise<Release> | undefined;
  #gone = false;

  constructor(parts: StepParts) {
    this.#parts = parts;
    this.#files = { engine: parts.engine, id: parts.container.id, signal: AbortSignal.any([this.#ending.signal, parts.ports.signal]) };
    this.#forced = new Promise((resolve) => { this.#force = resolve; });
  }

  get name(): string {
    return this.#parts.spec.name;
  }

  get id(): string {
    return this.#parts.container.id;
  }

  /** It was removed, and that was verified: its name is free. */
  get gone(): boolean {
    return this.#gone;
  }

  put(path: string, archive: Archive): Promise<void> {
    return putFiles(this.#files, path, { archive, owner: this.#parts.owner });
  }

  get(path: string): Promise<Archive | undefined> {
    return getFiles(this.#files, path);
  }

  async start(output: Output): Promise<{ readonly ended: Promise<Exit> }> {
    const { engine, container, owed, spec } = this.#parts;
    const life: Life = { engine, container, over: () => this.#over, ...(spec.memoryBytes !== undefined && { memoryBytes: spec.memoryBytes }) };
    const begun = beginContainer(life, { stdin: false });
    const ended = begun.then((open) => open === undefined ? {} : this.#toItsEnd(life, open, output));
    // Told by `begun`, or to whoever waits for it.
    ended.catch(() => {});
    owed.during(ended);
    await begun;
    return { ended };
  }

  async exec(command: readonly string[], { output, workdir }: { readonly output: Output; readonly workdir?: string }): Promise<Exit> {
    const running = this.#run({ words: command, output, ...(workdir !== undefined && { workdir }) });
    this.#parts.owed.during(running);
    return running;
  }

  async health(): Promise<Health> {
    try {
      const { State } = await this.#parts.container.inspect();
      if (!State.Running) return 'gone';
      const status = State.Health?.Status ?? 'none';
      return status === 'starting' || status === 'unhealthy' ? status : 'healthy';
    } catch (error) {
      if (statusOf(error) === 404 || this.#over) return 'gone';
      throw refused('cannot look at the health of the container', error);
    }
  }

  remove(): Promise<Release> {
    return (this.#removal ??= this.#removeByForce());
  }

  stop(): Promise<Release> {
    this.#ending.abort();
    return this.#release();
  }

  get #over(): boolean {
    return this.#files.signal.aborted;
  }

  async #toItsEnd(life: Life, open: Open, output: Output): Promise<Exit> {
    this.#stage = 'SIGKILL';
    try {
      const ending = await Promise.race([followContainer(life, open, output), this.#forced]);
      if (ending === undefined || ending.stopped) return {};
      this.#stage = 'exited';
      if (ending.outputLost) this.#tellLoss();
      if (ending.startFailure !== undefined) throw new WorkFailed(`cannot start the container: ${ending.startFailure}`);
      return ending.exit;
    } finally {
      open.close();
    }
  }

  async #run(command: Parameters<typeof startCommand>[2]): Promise<Exit> {
    if (this.#over) return {};
    let running: Awaited<ReturnType<typeof startCommand>> | undefined;
    try {
      running = await startCommand(this.#parts.engine, this.id, command);
      const ending = await Promise.race([running.ended(), this.#forced]);
      if (ending?.outputLost === true && !this.#over) this.#tellLoss();
      return ending === undefined ? {} : ending.exit;
    } catch (error) {
      // The releaser may have removed the container under our hands: that is no failure of the work.
      if (this.#over) return {};
      throw error;
    } finally {
      running?.socket.destroy();
    }
  }

  #tellLoss(): void {
    this.#parts.ports.events.emit('output-lost', { container: this.name });
  }

  async #removeByForce(): Promise<Release> {
    const { engine, owed } = this.#parts;
    this.#ending.abort();
    this.#force();
    owed.learn({ [removedAfter]: this.#stage });
    // What goes wrong here, its release finds: it looks whether the container is gone, and tries again when it is not.
    await remove(engine, this.id).catch(() => {});
    return this.#release();
  }

  async #release(): Promise<Release> {
    const release = await this.#parts.owed.release();
    this.#gone = 'how' in release;
    return release;
  }
}
