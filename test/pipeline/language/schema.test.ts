import { Ajv } from 'ajv';
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { checkPipeline } from '../../../server/pipeline/language/check.ts';
import { dockerKeys } from '../../../server/pipeline/language/keys/docker.ts';
import { healthKeys } from '../../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../../server/pipeline/language/keys/top-keys.ts';
import { pipelineSchema } from '../../../server/pipeline/language/schema.ts';
import { oneJob } from './told.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** What keys lead to in the schema. */
function under(...path: readonly string[]): Mapping {
  return path.reduce<Mapping>((held, key) => held[key] as Mapping, pipelineSchema);
}

/** Names of the properties there. */
function keysUnder(...path: readonly string[]): readonly string[] {
  return Object.keys(under(...path, 'properties'));
}

const validate = new Ajv({ strict: false, allErrors: true }).compile(pipelineSchema);
const services = ['$defs', 'job', 'properties', 'services', 'additionalProperties'];

const folder = new URL('../../vectors/pipelines/', import.meta.url);
const vectors = readdirSync(folder).filter((name) => name.endsWith('.yaml')).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')] as const);

/** One of each key, and of each form it may have. */
const valid: readonly string[] = [
  'workflow: a\na: { image: x }\nlogsWithTime: "true"\nfailFast: false\nname: x\ndocker: { host: tcp://x:1 }\n',
  'workflow: [a, a]\na: { dockerfile: x, foo: 1 }\nlogsWithTime: "TRUE"\nversion: 3\ndocker:\nname: 5\n',
  'workflow: a\na: { image: x }\nlogsWithTime: 1\nname:\n',
  'workflow: [failFast, name]\nfailFast: { image: x }\nname: { image: y }\n',
  'a: { host: true, needs: [] }\nb: { image: x, needs: [a] }\nc: { image: x, needs: a b }\n',
  oneJob('script: x', 'soloExecution: true', 'errexit: false', 'env: A=1', 'copyFiles: true', 'copyIgnore: x', 'workDir: /x', 'port: 8080:80', 'artifactPath: x', 'condition: $A', 'parallel: true', 'timeout: 5'),
  oneJob('script: [x, y]', 'env: [A=1]', 'copyIgnore: [x, "a|b"]', 'port: ["127.0.0.1:1:2", "localhost:1:2", "[::1]:1:2"]', 'retry: { attempts: 3, delay: 0, backoff: 2, jitter: 0.5 }', 'timeout: 1.5h'),
  oneJob('env: { A: 1, B: x, C: true }', 'retry: {}', 'timeout: 500ms', 'when: failure', 'allowFailure: true', 'matrix: { a: [1, x, true], b: [y] }', 'secrets: [A]', 'volumes: x:/x', 'cache: "y-${a}:/y"'),
  oneJob('secrets: { A: b-c }', 'outputs: [A]', 'volumes: [./a:/a:ro, /b:/b, c:/c:rw, ..:/d]', 'cache: [x:/x]', 'artifacts: [x, y/**]', 'network: none', 'memory: 64m', 'cpus: 2', 'user: 1000', 'pull: always', 'registry: hub'),
  oneJob('outputs: A', 'artifacts: x', 'memory: 1073741824', 'user: "1000:1000"', 'network: mine'),
  oneJob('services: { db: { image: x, env: { A: 1 }, command: [a], entrypoint: [b], health: { command: x, interval: 1, timeout: 2s, retries: 3, start: 0 }, volumes: x:/x, memory: 64m, cpus: 1, user: x, pull: never, registry: y, other: 1 } }'),
];

/** What the schema can tell by itself. */
const invalid: readonly string[] = [
  'workflow: {}\na: { image: x }\n', oneJob('script: 5'), oneJob('script: []'), oneJob('copyFiles: yes'), oneJob('retry: 3'), oneJob('retry: { attempts: 11 }'), oneJob('when: never'), oneJob('port: "80"'), oneJob('memory: lots'),
  oneJob('services: { db: x }'), oneJob('matrix: { a: 1 }'), oneJob('timeout: soon'), oneJob('condition: true'), 'workflow: a\na: { image: x }\ndocker: { host: x }\n',
];

describe('the schema of pipelines', () => {
  it('has every key of the rules, and no other', () => {
    expect(keysUnder()).to.have.members(Object.keys(topKeys));
    expect(keysUnder('$defs', 'job')).to.have.members(Object.keys(jobKeys));
    expect(keysUnder('$defs', 'job', 'properties', 'retry')).to.have.members(Object.keys(retryKeys));
    expect(keysUnder(...services)).to.have.members(Object.keys(serviceKeys));
    expect(keysUnder(...services, 'properties', 'health')).to.have.members(Object.keys(healthKeys));
    expect(keysUnder('properties', 'docker', 'anyOf', '0')).to.have.members(Object.keys(dockerKeys));
  });

  it('says of every key what it is for', () => {
    const described = [...Object.entries(under('properties')), ...Object.entries(under('$defs', 'job', 'properties'))] as readonly [string, Mapping][];
    expect(described.filter(([, key]) => typeof key['description'] !== 'string').map(([name]) => name)).to.deep.equal([]);
  });

  for (const [at, text] of valid.entries()) {
    it(`takes what the check takes (${at + 1})`, () => {
      expect(checkPipeline(text).complaints.filter(({ severity }) => severity === 'error')).to.deep.equal([]);
      expect(validate(parse(text)), JSON.stringify(validate.errors)).to.equal(true);
    });
  }

  it('has every key of a job in those', () => {
    const written = new Set(valid.flatMap((text) => Object.values(parse(text) as Mapping)).flatMap((value) => (typeof value === 'object' && value !== null ? Object.keys(value) : [])));
    expect(Object.keys(jobKeys).filter((key) => !written.has(key))).to.deep.equal([]);
  });

  for (const [name, text] of vectors) {
    const { pipeline } = checkPipeline(text);
    if (pipeline === undefined) continue;
    it(`takes ${name} as the check does`, () => {
      const runs = new Set(pipeline.jobs.map((one) => one.name.toLowerCase()));
      // What stands in a job that does not run is looked at by the schema alone.
      const kept = Object.entries(parse(text) as Mapping).filter(([key, value]) => typeof value !== 'object' || runs.has(key.toLowerCase()) || Object.hasOwn(topKeys, key));
      expect(validate(Object.fromEntries(kept)), JSON.stringify(validate.errors)).to.equal(true);
    });
  }

  for (const text of invalid) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(checkPipeline(text)).not.to.have.property('pipeline');
      expect(validate(parse(text))).to.equal(false);
    });
  }
});
