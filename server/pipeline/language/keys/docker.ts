// `docker`: which engine the file asks for.

import { cut } from '../../../../calls/contract/quote.ts';
import { wrong, wrongType, type Field, type Key } from '../field.ts';
import { readKeys, schemaOf } from '../read-keys.ts';
import { inQuotes } from '../ways.ts';

export interface DockerSettings {
  readonly host?: string;
}

const hostKey: Key<string> = {
  summary: 'The address of the engine: tcp://host:port, unix://, npipe:// or ssh://.',
  schema: { type: 'string', pattern: '^\\s*(tcp|unix|npipe|ssh)://' },
  read(field) {
    const { name, value } = field;
    if (value.is === 'null') return wrong(field, `${name} cannot be empty`);
    if (value.is !== 'string') return wrongType(field, `'${name}' must be a string`, { suggestions: inQuotes(value, field.ground.text) });
    const problem = hostProblem(value.text.trim());
    return problem === undefined ? value.text.trim() : wrong(field, `${name} ${problem}`);
  },
};

function hostProblem(host: string): string | undefined {
  if (host === '') return 'cannot be empty';
  if (!/^(tcp|unix|npipe|ssh):\/\//.test(host)) return `must start with a valid protocol (tcp://, unix://, npipe://, ssh://), got: ${cut(host)}`;
  if (!host.startsWith('tcp://')) return undefined;
  const [authority = ''] = host.slice('tcp://'.length).split('/');
  if (authority === '' || authority.startsWith(':')) return 'tcp:// format requires host and port (e.g., tcp://localhost:2375)';
  return /^(\[[^\]]+\]|[^:]+):\d{1,5}$/.test(authority) ? undefined : 'tcp:// format must include port (e.g., tcp://localhost:2375)';
}

export const dockerKeys = { host: hostKey };

export const dockerKey: Key<DockerSettings> = {
  summary: 'The engine that the file asks for.',
  schema: { anyOf: [schemaOf(dockerKeys), { type: 'null' }] },
  read: (field: Field) => (field.value.is === 'mapping' ? readKeys(field, dockerKeys).values
    : field.value.is === 'null' ? {} : wrongType(field, `'${field.name}' must be an object`, { suggestions: ['write it as a mapping, such as: { host: unix:///var/run/docker.sock }'] })),
};
