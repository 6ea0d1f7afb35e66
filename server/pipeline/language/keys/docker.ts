// The key `docker`: the engine that the file requests.

import { truncate } from '../../../../calls/text/quote.ts';
import { type Field, type Key, reportInvalid, reportType } from '../field.ts';
import { buildSchema, readKeys } from '../read-keys.ts';
import { suggestQuotes } from '../suggestions.ts';

export interface DockerSettings {
  readonly host?: string;
}

const hostKey: Key<string> = {
  summary: 'The address of the engine: tcp://host:port, unix://, npipe:// or ssh://.',
  schema: { type: 'string', pattern: '^\\s*(tcp|unix|npipe|ssh)://' },
  read(field) {
    const { name, value } = field;
    if (value.is !== 'string')
      return reportType(field, `'${name}' must be a string`, { suggestions: suggestQuotes(value, field.context.text) });
    const problem = hostError(value.text.trim());
    return problem === undefined ? value.text.trim() : reportInvalid(field, `${name} ${problem}`);
  },
};

function hostError(host: string): string | undefined {
  if (host === '') return 'cannot be empty';
  if (!/^(tcp|unix|npipe|ssh):\/\//.test(host))
    return `must start with a valid protocol (tcp://, unix://, npipe://, ssh://), got: ${truncate(host)}`;
  if (!host.startsWith('tcp://')) return undefined;
  const [authority = ''] = host.slice('tcp://'.length).split('/');
  if (authority === '' || authority.startsWith(':'))
    return 'tcp:// format requires host and port (e.g., tcp://localhost:2375)';
  return /^(\[[^\]]+\]|[^:]+):\d{1,5}$/.test(authority)
    ? undefined
    : 'tcp:// format must include port (e.g., tcp://localhost:2375)';
}

export const dockerKeys = { host: hostKey };

export const dockerKey: Key<DockerSettings> = {
  summary: 'The engine that the file requests.',
  schema: buildSchema(dockerKeys),
  read: (field: Field) =>
    field.value.is === 'mapping'
      ? readKeys(field, dockerKeys).values
      : reportType(field, `'${field.name}' must be an object`, {
          suggestions: ['write it as a mapping, such as: { host: unix:///var/run/docker.sock }'],
        }),
};
