// The call kind `container`: runs one container per run.

import type { JsonSchema } from './contract/call.ts';
import type { ContainerSpec } from './contract/engines.ts';
import type { DeclarationSource, Kind } from './contract/kind.ts';
import { substitute, substituteAll, substituteValues } from './contract/substitute.ts';
import { argvSchema, envSchema, pathSchema } from './declare/schema-parts.ts';
import { omitUndefined } from './text/omit-undefined.ts';
import { parseSize } from './text/units.ts';

const widensAccess = 'a parameter could access more of this machine than the call intends';

const volumeSchema: JsonSchema = {
  type: 'string',
  pattern: '^(/[^:\\u0000]*|\\.[^:\\u0000]*|[A-Za-z0-9][A-Za-z0-9_.-]*):/[^:\\u0000]*(:ro)?$',
  errorText: 'must be "folder-or-volume:/path" or "folder-or-volume:/path:ro"; write a folder as "/…" or "./…"',
};

/** The keys under `container:`. */
export const containerKeys = {
  image: {
    type: 'string',
    pattern: '^[^\\s\\u0000]+$',
    errorText: 'must be the name of an image, such as "busybox:latest"',
  },
  command: argvSchema,
  entrypoint: argvSchema,
  env: envSchema,
  volumes: { type: 'array', items: volumeSchema },
  network: {
    type: 'string',
    pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$',
    errorText: 'must be none, bridge, host or the name of a network',
  },
  // The engine rejects a smaller limit.
  memory: { size: { min: 6 << 20 } },
  cpus: { type: 'number', minimum: 0.01 },
  pids: { type: 'integer', minimum: 1 },
  user: { type: 'string', pattern: '^[^\\s\\u0000]+$', errorText: 'must be a user, such as "1000:1000" or "node"' },
  readOnly: { type: 'boolean' },
  workdir: pathSchema,
  pull: { enum: ['missing', 'always', 'never'] },
} as const satisfies Record<keyof ContainerDeclaration, JsonSchema>;

export const containerKind: Kind = {
  name: 'container',
  keys: {
    container: { type: 'object', properties: containerKeys, required: ['image'], additionalProperties: false },
  },
  templates: [
    ['container', 'image'],
    ['container', 'command', '*'],
    ['container', 'entrypoint', '*'],
    ['container', 'env', '*'],
  ],
  fixed: [
    { path: ['container', 'volumes', '*'], why: 'a parameter could mount any folder of this machine' },
    ...['network', 'user', 'workdir'].map((key) => ({ path: ['container', key], why: widensAccess })),
  ],
  bind(declaration, source) {
    const specFor = containerSpec(declaration['container'] as ContainerDeclaration, source);
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

function containerSpec(
  declared: ContainerDeclaration,
  source: DeclarationSource,
): (params: Readonly<Record<string, string>>) => ContainerSpec {
  const { image, command, entrypoint, env: variables, volumes, memory, pids, ...rest } = declared;
  const fixed = omitUndefined({
    ...rest,
    volumes: volumes?.map((mount) => resolveVolume(mount, source)),
    memoryBytes: memory === undefined ? undefined : parseSize(memory),
    pidsMax: pids,
  });
  return (params) => ({
    image: substitute(image, params),
    ...omitUndefined({
      command: command && substituteAll(command, params),
      entrypoint: entrypoint && substituteAll(entrypoint, params),
      env: variables && substituteValues(variables, params),
    }),
    ...fixed,
  });
}

/**
 * Makes the folder of a volume absolute, relative to the configuration file. A bare name stays unchanged, because it
 * names a volume of the engine.
 */
function resolveVolume(mount: string, source: DeclarationSource): string {
  const colon = mount.indexOf(':');
  const host = mount.slice(0, colon);
  return (/^[./]/.test(host) ? source.path(host) : host) + mount.slice(colon);
}
