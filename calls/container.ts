// The kind `container`: one container per run, from an image.

import type { JsonSchema } from './contract/call.ts';
import type { ContainerSpec } from './contract/engines.ts';
import type { Kind, Place } from './contract/kind.ts';
import { env, path, text, words } from './contract/parts.ts';
import { present } from './contract/present.ts';
import { substitute, substituteAll, substituteValues } from './contract/substitute.ts';
import { parseSize } from './contract/units.ts';

const wide = 'a parameter could open more of this machine than the call was meant to';

const volume: JsonSchema = {
  type: 'string',
  pattern: '^(/[^:\\u0000]*|\\.[^:\\u0000]*|[A-Za-z0-9][A-Za-z0-9_.-]*):/[^:\\u0000]*(:ro)?$',
  says: 'must be written "folder-or-volume:/path" or "folder-or-volume:/path:ro", the folder as "/…" or "./…"',
};

/** What stands under `container:`, key by key. */
export const containerKeys = {
  image: { type: 'string', pattern: '^[^\\s\\u0000]+$', says: 'must be the name of an image, such as "busybox:latest"' },
  command: words,
  entrypoint: words,
  env,
  volumes: { type: 'array', items: volume },
  network: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$', says: 'must be none, bridge, host or the name of a network' },
  // The engine refuses less.
  memory: { size: { min: 6 << 20 } },
  cpus: { type: 'number', minimum: 0.01 },
  pids: { type: 'integer', minimum: 1 },
  user: text,
  readOnly: { type: 'boolean' },
  workdir: path,
  pull: { enum: ['missing', 'always', 'never'] },
} as const satisfies Record<keyof ContainerDeclaration, JsonSchema>;

export const containerKind: Kind = {
  name: 'container',
  keys: {
    container: { type: 'object', properties: containerKeys, required: ['image'], additionalProperties: false },
  },
  templates: [['container', 'image'], ['container', 'command', '*'], ['container', 'entrypoint', '*'], ['container', 'env', '*']],
  fixed: [
    { path: ['container', 'volumes', '*'], why: 'a parameter could mount any folder of this machine' },
    ...['network', 'user', 'workdir'].map((key) => ({ path: ['container', key], why: wide })),
  ],
  bind(declaration, place) {
    const specFor = containerSpec(declaration['container'] as ContainerDeclaration, place);
    return async ({ engines, params }) => engines.container(specFor(params));
  },
};

interface ContainerDeclaration {
  readonly image: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly network?: string;
  readonly memory?: number | string;
  readonly cpus?: number;
  readonly pids?: number;
  readonly user?: string;
  readonly readOnly?: boolean;
  readonly workdir?: string;
  readonly pull?: 'missing' | 'always' | 'never';
}

function containerSpec(declared: ContainerDeclaration, place: Place): (params: Readonly<Record<string, string>>) => ContainerSpec {
  const { image, command, entrypoint, env: variables, volumes, memory, pids, ...same } = declared;
  const fixed = present({
    ...same,
    volumes: volumes?.map((mount) => resolveVolume(mount, place)),
    memoryBytes: memory === undefined ? undefined : parseSize(memory),
    pidsMax: pids,
  });
  return (params) => ({
    image: substitute(image, params),
    ...present({
      command: command && substituteAll(command, params),
      entrypoint: entrypoint && substituteAll(entrypoint, params),
      env: variables && substituteValues(variables, params),
    }),
    ...fixed,
  });
}

/** Folders are relative to the configuration; a bare name is a volume of the engine. */
function resolveVolume(mount: string, place: Place): string {
  const colon = mount.indexOf(':');
  const source = mount.slice(0, colon);
  return (/^[./]/.test(source) ? place.path(source) : source) + mount.slice(colon);
}
