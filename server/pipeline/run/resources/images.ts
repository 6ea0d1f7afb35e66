// Provides the image of each container: present, pulled or built. Requests each image from the engine once per run.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Containers, RegistryLogin } from '../../../../calls/contract/containers.ts';
import { buildContext, type Workspace } from '../../files/files.ts';
import type { JobBase, Service } from '../../language/model.ts';
import type { Attempt } from '../job/attempt.ts';
import { imageTag } from '../job/resource-names.ts';
import { dockerfileRegistries } from './dockerfile-registries.ts';

export interface ImageDeps {
  readonly containers: Pick<Containers, 'image' | 'build'>;
  readonly workspace: Workspace;
  /** Returns the login that a secret contains. Throws WorkFailed if the secret does not exist or is not a login. */
  login(secret: string): RegistryLogin;
}

type ImageSource = Pick<Service, 'image' | 'pull' | 'registry'>;

export class Images {
  readonly #deps: ImageDeps;
  readonly #ready = new Set<string>();

  constructor(deps: ImageDeps) {
    this.#deps = deps;
  }

  /** Returns the image for `StepSpec.image`. Rejects with WorkFailed and the reason if the image is not available. */
  async forJob(base: Exclude<JobBase, { type: 'host' }>, attempt: Attempt): Promise<string> {
    if (base.type === 'dockerfile') return this.#build(base, attempt);
    if (!(await this.forService(base, attempt))) attempt.emitStep({ step: 'image-available', image: base.image });
    return base.image;
  }

  /** Resolves when the engine has the image, with true if the engine pulled it. Emits steps only for a pull. */
  async forService({ image, pull, registry }: ImageSource, attempt: Attempt): Promise<boolean> {
    const key = JSON.stringify([image, pull, registry]);
    // Request the image again for a retry, because it may have been removed.
    if (attempt.number === 1 && this.#ready.has(key)) return false;
    let pulled = false;
    await this.#deps.containers.image({
      image,
      pull,
      signal: attempt.deadline.signal,
      ...(registry !== undefined && { login: this.#deps.login(registry) }),
      onPull: () => {
        pulled = true;
        attempt.emitStep({ step: 'image-pulling', image });
      },
    });
    this.#ready.add(key);
    if (pulled) attempt.emitStep({ step: 'image-pulled', image });
    return pulled;
  }

  async #build({ path, registry }: Extract<JobBase, { type: 'dockerfile' }>, attempt: Attempt): Promise<string> {
    const { containers, workspace } = this.#deps;
    attempt.emitStep({ step: 'image-building', dockerfile: path });
    const { archive, dockerfile } = await buildContext(workspace, path);
    const tag = imageTag(attempt.planned.name);
    const logins = registry === undefined ? {} : await this.#loginsFor(path, registry);
    const image = await containers.build({
      tag,
      dockerfile,
      context: archive,
      logins,
      signal: attempt.deadline.signal,
      output: attempt.output,
    });
    attempt.emitStep({ step: 'image-built', image: tag, dockerfile: path });
    return image;
  }

  /** Returns the same login for all registries of the Dockerfile. */
  async #loginsFor(path: string, secret: string): Promise<Readonly<Record<string, RegistryLogin>>> {
    const login = this.#deps.login(secret);
    const text = await readFile(join(this.#deps.workspace.path ?? '/', path), 'utf8');
    return Object.fromEntries(dockerfileRegistries(text).map((registry) => [registry, login]));
  }
}
