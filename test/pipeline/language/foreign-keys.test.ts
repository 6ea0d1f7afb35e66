// Tests keys of other systems (such as GitLab CI or Docker Compose) and misspelled keys: the check rejects them and
// names the key to write.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import {
  healthForeignKeys,
  jobForeignKeys,
  retryForeignKeys,
  serviceForeignKeys,
} from '../../../server/pipeline/language/foreign/foreign-keys.ts';
import { healthKeys } from '../../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../../server/pipeline/language/keys/service-keys.ts';
import { check, oneJob } from '../../helpers/pipeline/check-text.ts';

/** Lines of a job with such a key, and the key that the error names. */
const jobWords: readonly (readonly [string, string])[] = [
  ['if: $BRANCH == "main"', 'condition'],
  ['unless: x', 'condition'],
  ['rules: [{ if: $CI }]', 'condition'],
  ['only: [main]', 'condition'],
  ['except: [main]', 'condition'],
  ['conditon: $A', 'condition'],
  ['conditions: $A', 'condition'],
  ['wehn: failure', 'when'],
  ['whenn: failure', 'when'],
  ['need: [a]', 'needs'],
  ['depends_on: [a]', 'needs'],
  ['dependsOn: [a]', 'needs'],
  ['depends-on: [a]', 'needs'],
  ['stage: build', 'needs'],
  ['timout: 5', 'timeout'],
  ['timeout-minutes: 5', 'timeout'],
  ['timeouts: 5', 'timeout'],
  ['secret: [A]', 'secrets'],
  ['secretes: [A]', 'secrets'],
  ['allow_failure: true', 'allowFailure'],
  ['allowFailur: true', 'allowFailure'],
  ['continue-on-error: true', 'allowFailure'],
  ['run: make', 'script'],
  ['commands: [make]', 'script'],
  ['command: make', 'script'],
  ['steps: [{ run: make }]', 'script'],
  ['before_script: [make]', 'script'],
  ['environment: { A: 1 }', 'env'],
  ['variables: { A: 1 }', 'env'],
  ['working-directory: /x', 'workDir'],
  ['working_dir: /x', 'workDir'],
  ['work_dir: /x', 'workDir'],
  ['strategy: { matrix: { a: [1] } }', 'matrix'],
  ['retries: 3', 'retry'],
  ['ports: ["80:80"]', 'port'],
  ['container: node', 'image'],
  ['runs-on: ubuntu', 'image'],
  ['extends: .base', '<<'],
];

describe('keys of other systems', () => {
  for (const [line, key] of jobWords) {
    it(`L15: the check rejects ${line} and names ${key}`, () => {
      const word = line.split(':')[0]!;
      const { diagnostics, pipeline } = parsePipeline(oneJob(line));
      expect(pipeline).to.equal(undefined);
      expect(
        diagnostics.map(({ severity, code, field, message }) => ({ severity, code, field, message })),
      ).to.deep.equal([
        {
          severity: 'error',
          code: 'UNKNOWN_FIELD',
          field: word,
          message: `unknown key '${word}': the key here is '${key}'`,
        },
      ]);
      expect(diagnostics[0]!.suggestions).to.have.length(1);
    });
  }

  it('L15: a key of another system does not cause a second error about the missing script or image', () => {
    expect(check('workflow: a\na: { image: x, commands: [make] }\n')).to.deep.equal([
      "2:16 UNKNOWN_FIELD unknown key 'commands': the key here is 'script'",
    ]);
    expect(check('workflow: a\na: { container: x, script: make }\n')).to.deep.equal([
      "2:6 UNKNOWN_FIELD unknown key 'container': the key here is 'image'",
    ]);
  });

  it('L15: services, health checks and retries reject the keys of other systems', () => {
    expect(
      check(
        oneJob(
          'services: { db: { image: x, environment: { A: 1 }, healthcheck: { test: x }, args: [a] } }',
          'retry: { max: 2 }',
        ),
      ).map((line) => line.replace(/^\S+ /, '')),
    ).to.deep.equal([
      "UNKNOWN_FIELD unknown key 'environment': the key here is 'env'",
      "UNKNOWN_FIELD unknown key 'healthcheck': the key here is 'health'",
      "UNKNOWN_FIELD unknown key 'args': the key here is 'command'",
      "UNKNOWN_FIELD unknown key 'max': the key here is 'attempts'",
    ]);
    expect(check(oneJob('services: { db: { image: x, health: { test: x, start_period: 5s } } }'))).to.deep.equal([
      "4:41 UNKNOWN_FIELD unknown key 'test': the key here is 'command'",
      "4:50 UNKNOWN_FIELD unknown key 'start_period': the key here is 'start'",
    ]);
    expect(check(oneJob('services: { db: { image: x, script: make } }'))).to.deep.equal([
      "4:31 UNKNOWN_FIELD unknown key 'script': the key here is 'command'",
    ]);
  });

  it('L15: other unknown keys only cause warnings, as in files for pin', () => {
    for (const line of ['colour: green', 'description: x', 'tags: [a]', 'name: x', 'x-note: 5', 'scirpts: x'])
      expect(
        parsePipeline(oneJob(line)).diagnostics.filter(({ severity }) => severity === 'error'),
        line,
      ).to.deep.equal([]);
  });

  it('every key of another system has an existing key as its replacement, and is not an existing key itself', () => {
    for (const [foreign, table] of [
      [jobForeignKeys, jobKeys],
      [serviceForeignKeys, serviceKeys],
      [healthForeignKeys, healthKeys],
      [retryForeignKeys, retryKeys],
    ] as const) {
      const keys = new Set(Object.keys(table).map((key) => key.toLowerCase()));
      for (const [word, key] of Object.entries(foreign.words)) {
        expect(keys.has(word), word).to.equal(false);
        expect(keys.has(key.toLowerCase()) || key === '<<', key).to.equal(true);
      }
      for (const key of foreign.strict) expect(keys.has(key.toLowerCase()), key).to.equal(true);
    }
  });
});
