// Tests that keys without a value count as absent.

import { expect } from 'chai';
import { stringify } from 'yaml';
import type { JsonSchema } from '../../../calls/contract/call.ts';
import { kinds } from '../../../calls/kinds.ts';
import { topKeys } from '../../../server/config/schema/schema.ts';
import { inFolder } from '../../helpers/config/config-folder.ts';

/** Paths of all keys below a schema, the keys of `properties` at any depth. */
function keyPaths({ properties = {}, items }: JsonSchema, path: readonly string[] = []): readonly string[][] {
  const below = Object.entries(properties as Readonly<Record<string, JsonSchema>>).flatMap(([key, schema]) => [
    [...path, key],
    ...keyPaths(schema, [...path, key]),
  ]);
  return [...below, ...(items === undefined ? [] : keyPaths(items as JsonSchema, [...path, '*']))] as string[][];
}

/** Returns nested mappings and lists with null at the end of the path. */
function nullAt([key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return null;
  return key === '*' ? [nullAt(rest)] : { [key]: nullAt(rest) };
}

const { systems: _, calls, secrets: __, ...sections } = topKeys;

describe('a key without a value', () => {
  // A token or a secret needs one of these keys, so the key cannot be absent.
  const isSource = (path: readonly string[]): boolean => ['file', 'variable'].includes(path.at(-1) ?? '');
  for (const path of keyPaths({ properties: sections }).filter((one) => !isSource(one)))
    it(`C4: ${path.join('.')} without a value counts as absent`, () =>
      inFolder(async ({ load }) => {
        const { compat, ...config } = await load(stringify(nullAt(path)));
        const { compat: ___, ...empty } = await load('');
        expect(config).to.deep.equal(empty);
        expect(compat.pin !== undefined).to.equal(path.join('.').startsWith('compat.pin.'));
      }));

  for (const kind of kinds) {
    const example: Readonly<Record<string, unknown>> = {
      process: { process: ['ls'] },
      terminal: { terminal: ['ls'] },
      container: { container: { image: 'busybox' } },
      pipeline: { pipeline: { file: 'p.yaml' } },
    };
    const declared = example[kind.name] as Readonly<Record<string, object>>;
    const foreign = kinds.filter((other) => other !== kind).map(({ name }) => name);
    const { properties } = (calls as JsonSchema)['additionalProperties'] as { properties: Record<string, JsonSchema> };
    it(`C4: in a ${kind.name} call, every key without a value counts as absent`, () =>
      inFolder(async ({ load, write }) => {
        await write('p.yaml', 'workflow: [a]\na: { image: busybox, script: ls }\n');
        for (const path of keyPaths({ properties }).filter(([key, name]) => !(key === kind.name && !name))) {
          if (path.includes('*') || (foreign.includes(path[0]! as never) && path.length > 1)) continue;
          const own = path[0] === kind.name ? { [kind.name]: { ...declared[kind.name], [path[1]!]: null } } : {};
          if (path[0] === kind.name && Object.hasOwn(declared[kind.name]!, path[1]!)) continue;
          const required = path[0] === 'concurrency' ? { concurrency: { limit: 1, [path[1] ?? 'by']: null } } : {};
          const call = { ...declared, ...(nullAt(path) as object), ...own, ...required };
          if (path.join('.') === 'concurrency.limit') continue;
          expect((await load(stringify({ calls: { a: call } }))).calls, path.join('.')).to.have.length(1);
        }
      }));
  }

  it('C4: in params, systems and secrets, keys without a value count as absent', () =>
    inFolder(async ({ load }) => {
      const config = await load(`
systems: [{ slug: a, url: "https://a.example.org/", tagline: , entityCount: , bundleCount: , lastEdit: , listed: }]
secrets: { A: { file: a.txt, variable: , calls: } }
calls:
  a:
    process: [echo, "\${p}"]
    params: [{ name: p, summary: , schema: , default: }]
`);
      expect(config.systems[0]).to.deep.include({ tagline: '', entityCount: 0, lastEdit: null, listed: true });
      expect(config.calls[0]?.params).to.deep.equal([{ name: 'p' }]);
    }));

  it('C4: null stays a value in the schema of a param', () =>
    inFolder(async ({ load }) => {
      const { calls: loaded } = await load(
        'calls: { a: { process: [ls], params: [{ name: p, schema: { enum: [null, "x"], default: null } }] } }',
      );
      expect(loaded[0]?.params[0]?.schema).to.deep.equal({ enum: [null, 'x'], default: null });
    }));

  it('C4: a file with the keys of a Distillery is valid even if none of the keys has a value', () =>
    inFolder(async ({ load }) => {
      const config = await load(`
listen: { ports: null, ssh: null }
paths: { root: null, overrides: null, blocks: null }
http:
  domain: null
  domains: []
  certbot_email: null
  debug: null
  panel: null
  api: null
  ts: null
  phpmyadmin: null
home: { title: null, redirect: null, list: { public: null, private: null, title: null } }
docker: { network: null }
sql: { username: null, password: null, user_prefix: null, data_prefix: null, database: null }
triplestore: { username: null, password: null, user_prefix: null, data_prefix: null }
age: null
password_length: null
session_secret: null
cron_interval: null
`);
      expect([config.http.api, config.home.list]).to.deep.equal([false, { public: true, private: true }]);
    }));

  for (const panel of [true, false])
    it(`C4: http.panel: ${panel} adds no host name`, () =>
      inFolder(async ({ load }) => {
        expect((await load(`http: { panel: ${panel}, domain: a.example.org }`)).http.domains).to.deep.equal([
          'a.example.org',
        ]);
      }));

  for (const [text, expected] of [
    ['calls: { a: }', 'calls.a'],
    ['calls: { a: { process: } }', 'calls.a'],
    ['secrets: { A: }', 'secrets.A'],
    ['secrets: { A: { file: } }', 'secrets.A'],
    ['compat: { pin: { token: { file: } } }', 'compat.pin.token'],
    ['calls: { a: { process: [ls], env: { X: } } }', 'calls.a.env.X'],
    ['sql: { username: admin, password: }', 'sql'],
    ['htp: {}', 'htp'],
  ] as const)
    it(`C4: ${text} is still an error`, () =>
      inFolder(async ({ diagnostics }) => {
        expect((await diagnostics(text)).join('\n')).to.contain(expected);
      }));
});
