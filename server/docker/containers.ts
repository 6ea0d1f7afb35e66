// Containers step by step for one run, on one engine, with what they have in common: images, networks, volumes.

import type Docker from 'dockerode';
import type { BuildWish, Containers, ImageWish, StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import { createContainer } from './begin.ts';
import { makeBelonging, safe, type BelongingKind } from './belongings.ts';
import { buildImage } from './build.ts';
import type { Connection } from './connect.ts';
import { refused } from './failure.ts';
import { giveFolder, ownerIn, type Files } from './files.ts';
import type { Images } from './images.ts';
import { cacheLabel, gatewayLabel, mount, stepBody } from './options.ts';
import { root, type Owner } from './owner.ts';
import { Step } from './step.ts';

export interface ContainersParts {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly gateway: string;
  readonly images: Images;
}

export class RunContainers implements Containers {
  readonly #parts: ContainersParts;
  readonly #belongings = new Map<string, Promise<string>>();
  /** `USER` of images that were asked for. */
  readonly #users = new Map<string, string>();
  readonly #steps = new Map<string, { readonly gone: boolean }>();

  constructor(parts: ContainersParts) {
    this.#parts = parts;
  }

  async image(wish: ImageWish): Promise<void> {
    const { engine, images, ports } = this.#parts;
    const { user } = await images.need(engine, { ...wish, signal: AbortSignal.any([wish.signal, ports.signal]) });
    this.#users.set(wish.image, user);
  }

  build(wish: BuildWish): Promise<string> {
    const { engine, ports } = this.#parts;
    return buildImage(engine, { ...wish, signal: AbortSignal.any([wish.signal, ports.signal]) });
  }

  network(name: string): Promise<string> {
    return this.#once('network', name);
  }

  volume(name: string): Promise<string> {
    return this.#once('volume', name);
  }

  async cache(name: string): Promise<string> {
    const { engine, gateway } = this.#parts;
    const Name = `distillery-cache-${safe(gateway)}-${safe(name)}`;
    try {
      // Finds it when it is there.
      await engine.docker.createVolume({ Name, Labels: { [cacheLabel]: name, [gatewayLabel]: gateway } });
      return Name;
    } catch (error) {
      throw refused(`cannot make the cache "${name}"`, error);
    }
  }

  async create(spec: StepSpec): Promise<StepContainer> {
    const { engine, ports } = this.#parts;
    if (ports.signal.aborted) throw new WorkFailed('cannot create the container: the run is to stop');
    // The journal knows it by its name; a second one would be taken for it.
    if (this.#steps.get(spec.name)?.gone === false) throw new WorkFailed(`cannot create the container: the name "${spec.name}" is taken by another one`);
    this.#steps.set(spec.name, { gone: false });
    const owed = ports.owe('container', spec.name, { host: engine.host });
    const creating = this.#create(spec, owed);
    owed.during(creating);
    try {
      const step = await creating;
      this.#steps.set(spec.name, step);
      return step;
    } catch (error) {
      await owed.release();
      this.#steps.delete(spec.name);
      throw error;
    }
  }

  async #create(spec: StepSpec, owed: Obligation): Promise<Step> {
    const { engine, ports, gateway } = this.#parts;
    const body = stepBody(spec, { run: ports.run, gateway, stop: ports.stop, podman: engine.podman });
    const container = await createContainer(engine, spec.name, body);
    if (container === 'image missing') throw new WorkFailed(`there is no image "${spec.image}" here`);
    owed.learn({ container: container.id });
    const owner = await this.#ownerOf(spec, container);
    return new Step({ engine, ports, spec, container, owed, owner });
  }

  /** Most work as root, and cost nothing here. To others belongs what the engine has made for them. */
  async #ownerOf(spec: StepSpec, container: Docker.Container): Promise<Owner> {
    const { engine, ports } = this.#parts;
    const user = spec.user ?? this.#users.get(spec.image) ?? (await userOf(container));
    if (/^(?:root|0)?(?::(?:root|0))?$/.test(user)) return root;
    const files: Files = { engine, id: container.id, signal: ports.signal };
    const owner = await ownerIn(files, user);
    for (const folder of foldersOf(spec)) if (!ports.signal.aborted) await giveFolder(files, folder, owner);
    return owner;
  }

  #once(kind: BelongingKind, name: string): Promise<string> {
    const key = `${kind} ${name}`;
    const made = this.#belongings.get(key) ?? makeBelonging(kind, name, this.#parts);
    this.#belongings.set(key, made);
    made.catch(() => this.#belongings.delete(key));
    return made;
  }
}

async function userOf(container: Docker.Container): Promise<string> {
  try {
    return (await container.inspect()).Config.User;
  } catch (error) {
    throw refused('cannot create the container', error);
  }
}

/** Those that the engine may have made: where it works, and where its volumes are. Never a folder of this machine, and none that cannot be given away. */
function foldersOf({ workdir, volumes = [], readOnly }: StepSpec): string[] {
  if (readOnly === true) return [];
  const mounts = volumes.map(mount);
  const within = (path: string, { Target }: Docker.MountSettings): boolean => `${path}/`.startsWith(`${Target.replace(/\/$/, '')}/`);
  const writable = mounts.filter(({ Type, ReadOnly }) => Type === 'volume' && ReadOnly !== true).map(({ Target }) => Target);
  return [...writable, ...(workdir === undefined || mounts.some((one) => within(workdir, one)) ? [] : [workdir])];
}
