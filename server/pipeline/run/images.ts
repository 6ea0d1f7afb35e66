// The image of each container: there already, pulled, or built. Asked for once in a run where it stays what it is.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Containers, RegistryLogin } from '../../../calls/contract/containers.ts';
import { buildContext, type Workspace } from '../files/files.ts';
import type { Base, Service } from '../language/tree.ts';
import { registriesIn } from './base-images.ts';
import { imageTag } from './names.ts';
import type { Attempt } from './attempt.ts';

export interface ImageParts {
  readonly containers: Pick<Containers, 'image' | 'build'>;
  readonly workspace: Workspace;
  /** Throws WorkFailed when there is no such secret, or it is no login. */
  login(secret: string): RegistryLogin;
}

type Pulled = Pick<Service, 'image' | 'pull' | 'registry'>;

export class Images {
  readonly #parts: ImageParts;
  readonly #ready = new Set<string>();

  constructor(parts: ImageParts) {
    this.#parts = parts;
  }

  /** Gives the image for `StepSpec.image`. Throws WorkFailed with the engine's reason. */
  async forJob(base: Exclude<Base, { type: 'host' }>, attempt: Attempt): Promise<string> {
    if (base.type === 'dockerfile') return this.#build(base, attempt);
    if (!(await this.forService(base, attempt))) attempt.tell({ step: 'image-available', image: base.image });
    return base.image;
  }

  /** Resolves when the engine has the image, with whether it had to be pulled; only then something is told. */
  async forService({ image, pull, registry }: Pulled, attempt: Attempt): Promise<boolean> {
    const key = JSON.stringify([image, pull, registry]);
    // A further try is complete: the image may be gone.
    if (attempt.number === 1 && this.#ready.has(key)) return false;
    let pulled = false;
    await this.#parts.containers.image({
      image, pull, signal: attempt.stop.signal, ...(registry !== undefined && { login: this.#parts.login(registry) }),
      onPull: () => {
        pulled = true;
        attempt.tell({ step: 'image-pulling', image });
      },
    });
    this.#ready.add(key);
    if (pulled) attempt.tell({ step: 'image-pulled', image });
    return pulled;
  }

  async #build({ path, registry }: Extract<Base, { type: 'dockerfile' }>, attempt: Attempt): Promise<string> {
    const { containers, workspace } = this.#parts;
    attempt.tell({ step: 'image-building', dockerfile: path });
    const { archive, dockerfile } = await buildContext(workspace, path);
    const tag = imageTag(attempt.planned.name);
    const logins = registry === undefined ? {} : await this.#loginsFor(path, registry);
    const image = await containers.build({ tag, dockerfile, context: archive, logins, signal: attempt.stop.signal, output: attempt.output });
    attempt.tell({ step: 'image-built', image: tag, dockerfile: path });
    return image;
  }

  /** The one login, for every registry that the Dockerfile has images from. */
  async #loginsFor(path: string, secret: string): Promise<Readonly<Record<string, RegistryLogin>>> {
    const login = this.#parts.login(secret);
    const text = await readFile(join(this.#parts.workspace.path ?? '/', path), 'utf8');
    return Object.fromEntries(registriesIn(text).map((registry) => [registry, login]));
  }
}
