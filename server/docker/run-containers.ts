// Creates the containers of one run on one engine, with the images, networks and volumes that they share.

import type Docker from 'dockerode';
import type {
  BuildRequest,
  Containers,
  ImageRequest,
  StepContainer,
  StepSpec,
} from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import { untilAborted } from '../support/until-aborted.ts';
import type { Connection } from './connect.ts';
import { cacheLabel, gatewayLabel, parseVolume, stepCreateOptions } from './create-options.ts';
import { engineFailure } from './engine-error.ts';
import { type ContainerFiles, chownFolder, resolveUser } from './files/container-files.ts';
import { rootUser, type UserIds } from './files/container-user.ts';
import { buildImage } from './images/build.ts';
import type { ImageCache } from './images/image-cache.ts';
import { createResource, type ResourceKind, sanitizeName } from './networks-and-volumes.ts';
import { runStopping } from './run-stopping.ts';
import { createContainer } from './start.ts';
import { DockerStepContainer } from './step-container.ts';

export interface RunContainersDeps {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly gateway: string;
  readonly images: ImageCache;
}

export class RunContainers implements Containers {
  readonly #deps: RunContainersDeps;
  readonly #resources = new Map<string, Promise<string>>();
  /** `USER` of each requested image. */
  readonly #imageUsers = new Map<string, string>();
  readonly #steps = new Map<string, { readonly gone: boolean }>();

  constructor(deps: RunContainersDeps) {
    this.#deps = deps;
  }

  async image(request: ImageRequest): Promise<void> {
    const { engine, images, ports } = this.#deps;
    const { user } = await images.ensureImage(engine, {
      ...request,
      signal: AbortSignal.any([request.signal, ports.signal]),
    });
    this.#imageUsers.set(request.image, user);
  }

  build(request: BuildRequest): Promise<string> {
    const { engine, ports } = this.#deps;
    return buildImage(engine, { ...request, signal: AbortSignal.any([request.signal, ports.signal]) });
  }

  network(name: string): Promise<string> {
    return this.#createOnce('network', name);
  }

  volume(name: string): Promise<string> {
    return this.#createOnce('volume', name);
  }

  async cache(name: string): Promise<string> {
    const { engine, ports, gateway } = this.#deps;
    const Name = `distillery-cache-${sanitizeName(gateway)}-${sanitizeName(name)}`;
    const what = `create the cache "${name}"`;
    // The engine returns the existing volume, if there is one.
    const creation = engine.docker
      .createVolume({ Name, Labels: { [cacheLabel]: name, [gatewayLabel]: gateway } })
      .catch((error: unknown) => Promise.reject(engineFailure(`cannot ${what}`, error)));
    await untilAborted(ports.signal, creation, () => Promise.reject(runStopping(what)));
    return Name;
  }

  async create(spec: StepSpec): Promise<StepContainer> {
    const { engine, ports } = this.#deps;
    if (ports.signal.aborted) throw runStopping('create the container');
    // The journal identifies a container by its name, so a second one of that name would overwrite the first.
    if (this.#steps.get(spec.name)?.gone === false)
      throw new WorkFailed(`cannot create the container: the name "${spec.name}" is already in use`);
    this.#steps.set(spec.name, { gone: false });
    const obligation = ports.openObligation('container', spec.name, { host: engine.host });
    const creating = this.#create(spec, obligation);
    obligation.pendingUntil(creating);
    try {
      const step = await untilAborted(ports.signal, creating, () =>
        Promise.reject(runStopping('create the container')),
      );
      this.#steps.set(spec.name, step);
      return step;
    } catch (error) {
      // The stop of the run releases the container, even if the engine creates it later.
      if (ports.signal.aborted) throw error;
      await obligation.release();
      this.#steps.delete(spec.name);
      throw error;
    }
  }

  async #create(spec: StepSpec, obligation: Obligation): Promise<DockerStepContainer> {
    const { engine, ports, gateway } = this.#deps;
    const body = stepCreateOptions(spec, { run: ports.run, gateway, stop: ports.stop, podman: engine.podman });
    const container = await createContainer(engine, spec.name, body);
    if (container === 'image missing') throw new WorkFailed(`the Docker engine has no image "${spec.image}"`);
    obligation.update({ container: container.id });
    const owner = await this.#resolveOwner(spec, container);
    return new DockerStepContainer({ engine, ports, spec, container, obligation, owner });
  }

  /**
   * Returns the owner of copied files. Most containers run as root and need no request here. For other users, this
   * method changes the owner of the folders that the engine has created.
   */
  async #resolveOwner(spec: StepSpec, container: Docker.Container): Promise<UserIds> {
    const { engine, ports } = this.#deps;
    const user = spec.user ?? this.#imageUsers.get(spec.image) ?? (await readUser(container));
    if (/^(?:root|0)?(?::(?:root|0))?$/.test(user)) return rootUser;
    const files: ContainerFiles = { engine, id: container.id, signal: ports.signal };
    const owner = await resolveUser(files, user);
    for (const folder of engineMadeFolders(spec)) if (!ports.signal.aborted) await chownFolder(files, folder, owner);
    return owner;
  }

  #createOnce(kind: ResourceKind, name: string): Promise<string> {
    const key = `${kind} ${name}`;
    const creation = this.#resources.get(key) ?? createResource(kind, name, this.#deps);
    this.#resources.set(key, creation);
    creation.catch(() => this.#resources.delete(key));
    return creation;
  }
}

async function readUser(container: Docker.Container): Promise<string> {
  try {
    return (await container.inspect()).Config.User;
  } catch (error) {
    throw engineFailure('cannot create the container', error);
  }
}

/**
 * Returns the folders that the engine may have created: the working folder and the targets of volumes. Excludes host
 * folders and read-only ones.
 */
function engineMadeFolders({ workdir, volumes = [], readOnly }: StepSpec): string[] {
  if (readOnly === true) return [];
  const mounts = volumes.map(parseVolume);
  const within = (path: string, { Target }: Docker.MountSettings): boolean =>
    `${path}/`.startsWith(`${Target.replace(/\/$/, '')}/`);
  const writable = mounts
    .filter(({ Type, ReadOnly }) => Type === 'volume' && ReadOnly !== true)
    .map(({ Target }) => Target);
  return [...writable, ...(workdir === undefined || mounts.some((one) => within(workdir, one)) ? [] : [workdir])];
}
