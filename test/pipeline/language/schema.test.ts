// Compares the JSON Schema of pipeline files with the key tables and with the check.

import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { parse } from 'yaml';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { dockerKeys } from '../../../server/pipeline/language/keys/docker.ts';
import { healthKeys } from '../../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../../server/pipeline/language/keys/top-keys.ts';
import { pipelineSchema } from '../../../server/pipeline/language/schema.ts';
import { oneJob } from '../../helpers/pipeline/check-text.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** Returns the part of the schema at a path of keys. */
function schemaAt(...path: readonly string[]): Mapping {
  return path.reduce<Mapping>((held, key) => held[key] as Mapping, pipelineSchema);
}

/** Returns the names of the properties at a path of keys. */
function propertyNamesAt(...path: readonly string[]): readonly string[] {
  return Object.keys(schemaAt(...path, 'properties'));
}

const validate = new Ajv({ strict: false, allErrors: true }).compile(pipelineSchema);
/**
 * Path from the schema of a key to that of a present value. The other alternative of `anyOf` is for an absent value.
 */
const present = ['anyOf', '0'];
const services = ['$defs', 'job', 'properties', 'services', ...present, 'additionalProperties'];

const folder = new URL('../../vectors/pipelines/', import.meta.url);
const vectors = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')] as const);

/** Examples that together contain each key, and each form of it. */
const valid: readonly string[] = [
  'workflow: a\na: { image: x, script: s }\nlogsWithTime: "true"\nfailFast: false\nname: x\n' +
    'docker: { host: tcp://x:1 }\ndefaults: { timeout: 5m }\n',
  'workflow: [a, a]\na: { dockerfile: x, foo: 1, script: s }\nlogsWithTime: "TRUE"\nversion: 3\ndocker:\nname: 5\n',
  'workflow: a\na: { image: x, script: s }\nlogsWithTime: 1\nname:\n',
  'workflow: [failFast, name]\nfailFast: { image: x, script: s }\nname: { image: y, script: s }\n',
  'a: { host: true, needs: [], script: s }\nb: { image: x, needs: [a], script: s }\n' +
    'c: { image: x, needs: a b, script: s }\n',
  oneJob(
    'script: x',
    'soloExecution: true',
    'errexit: false',
    'env: A=1',
    'copyFiles: true',
    'copyIgnore: x',
    'workDir: /x',
    'port: 8080:80',
    'artifactPath: x',
    'condition: $A',
    'parallel: true',
    'timeout: 5',
  ),
  oneJob(
    'script: [x, y]',
    'env: [A=1]',
    'copyIgnore: [x, "a|b"]',
    'port: ["127.0.0.1:1:2", "localhost:1:2", "[::1]:1:2"]',
    'retry: { attempts: 3, delay: 0, backoff: 2, jitter: 0.5 }',
    'timeout: 1.5h',
  ),
  oneJob(
    'env: { A: 1, B: x, C: true }',
    'retry: {}',
    'timeout: 500ms',
    'when: failure',
    'allowFailure: true',
    'matrix: { a: [1, x, true], b: [y] }',
    'secrets: [A]',
    'volumes: x:/x',
    'cache: "y-${a}:/y"',
  ),
  oneJob(
    'secrets: { A: b-c }',
    'outputs: [A]',
    'volumes: [./a:/a:ro, /b:/b, c:/c:rw, ..:/d]',
    'cache: [x:/x]',
    'artifacts: [x, y/**]',
    'network: none',
    'memory: 64m',
    'cpus: 2',
    'user: 1000',
    'pull: always',
    'registry: hub',
  ),
  oneJob('outputs: A', 'artifacts: x', 'memory: 1073741824', 'user: "1000:1000"', 'network: mine'),
  oneJob(
    'services: { db: { image: x, env: { A: 1 }, command: [a], entrypoint: [b], health: { command: ' +
      'x, interval: 1, timeout: 2s, retries: 3, start: 0 }, volumes: x:/x, memory: 64m, cpus: 1, ' +
      'user: x, pull: never, registry: y, other: 1 } }',
  ),
];

/** Files with errors that the schema detects by itself. */
const invalid: readonly string[] = [
  'workflow: {}\na: { image: x, script: s }\n',
  oneJob('script: 5'),
  oneJob('script: []'),
  oneJob('copyFiles: yes'),
  oneJob('retry: 3'),
  oneJob('retry: { attempts: 11 }'),
  oneJob('when: never'),
  oneJob('port: "80"'),
  oneJob('memory: lots'),
  oneJob('services: { db: x }'),
  oneJob('matrix: { a: 1 }'),
  oneJob('timeout: soon'),
  oneJob('condition: true'),
  'workflow: a\na: { image: x, script: s }\ndocker: { host: x }\n',
];

describe('the schema of pipelines', () => {
  it('the schema of pipelines has every key of the key tables, and no other', () => {
    expect(propertyNamesAt()).to.have.members(Object.keys(topKeys));
    expect(propertyNamesAt('$defs', 'job')).to.have.members(Object.keys(jobKeys));
    expect(propertyNamesAt('$defs', 'job', 'properties', 'retry', ...present)).to.have.members(Object.keys(retryKeys));
    expect(propertyNamesAt(...services)).to.have.members(Object.keys(serviceKeys));
    expect(propertyNamesAt(...services, 'properties', 'health', ...present)).to.have.members(Object.keys(healthKeys));
    expect(propertyNamesAt('properties', 'docker', ...present)).to.have.members(Object.keys(dockerKeys));
  });

  it('the schema of pipelines describes every key', () => {
    const described = [
      ...Object.entries(schemaAt('properties')),
      ...Object.entries(schemaAt('$defs', 'job', 'properties')),
    ] as readonly [string, Mapping][];
    expect(described.filter(([, key]) => typeof key['description'] !== 'string').map(([name]) => name)).to.deep.equal(
      [],
    );
  });

  for (const [at, text] of valid.entries()) {
    it(`the schema of pipelines accepts what the check accepts (${at + 1})`, () => {
      expect(parsePipeline(text).diagnostics.filter(({ severity }) => severity === 'error')).to.deep.equal([]);
      expect(validate(parse(text, { merge: true })), JSON.stringify(validate.errors)).to.equal(true);
    });
  }

  it('the examples contain every key of a job', () => {
    const written = new Set(
      valid
        .flatMap((text) => Object.values(parse(text, { merge: true }) as Mapping))
        .flatMap((value) => (typeof value === 'object' && value !== null ? Object.keys(value) : [])),
    );
    expect(Object.keys(jobKeys).filter((key) => !written.has(key))).to.deep.equal([]);
  });

  for (const [name, text] of vectors) {
    const { pipeline } = parsePipeline(text);
    if (pipeline === undefined) continue;
    it(`the schema of pipelines agrees with the check on ${name}`, () => {
      const runs = new Set(pipeline.jobs.map((one) => one.name.toLowerCase()));
      // Omit jobs that do not run, because only the schema checks them.
      const kept = Object.entries(parse(text, { merge: true }) as Mapping).filter(
        ([key, value]) => typeof value !== 'object' || runs.has(key.toLowerCase()) || Object.hasOwn(topKeys, key),
      );
      expect(validate(Object.fromEntries(kept)), JSON.stringify(validate.errors)).to.equal(true);
    });
  }

  for (const text of invalid) {
    it(`the schema of pipelines rejects ${JSON.stringify(text)}`, () => {
      expect(parsePipeline(text)).not.to.have.property('pipeline');
      expect(validate(parse(text, { merge: true }))).to.equal(false);
    });
  }
});
