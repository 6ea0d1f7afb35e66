// Tests the section `defaults`, and top-level keys that belong elsewhere.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { check, parseValid } from '../../helpers/pipeline/check-text.ts';

describe('the defaults of a pipeline', () => {
  it('L19: every job takes over the defaults for keys that it does not set, and variables are merged', () => {
    const { jobs } = parseValid(
      'workflow: [a, b]\n' +
        'defaults: { image: x, env: { A: 1, B: 1 }, timeout: 5m, retry: { attempts: 2 }, script: d }\n' +
        'a: { script: s }\nb: { IMAGE: y, env: [B=2, C=3], timeout: 1m }\n',
    );
    expect(
      jobs.map(({ base, env, timeoutMs, retry, script }) => [base, env, timeoutMs, retry.attempts, script]),
    ).to.deep.equal([
      [{ type: 'image', image: 'x', pull: 'missing' }, { A: '1', B: '1' }, 300_000, 2, ['s']],
      [{ type: 'image', image: 'y', pull: 'missing' }, { A: '1', B: '2', C: '3' }, 60_000, 2, ['d']],
    ]);
  });

  it('L19: a job with a base of its own gets neither the base of the defaults nor keys without meaning for it', () => {
    const { jobs } = parseValid(
      'workflow: [a, b, c]\n' +
        'defaults: { image: x, pull: always, memory: 64m, copyFiles: true, registry: hub, env: A=1 }\n' +
        'a: { host: true, script: s }\nb: { dockerfile: f }\nc: { script: s }\n',
    );
    expect(jobs.map(({ base, memoryBytes, copyFiles, env }) => ({ base, memoryBytes, copyFiles, env }))).to.deep.equal([
      { base: { type: 'host' }, memoryBytes: undefined, copyFiles: false, env: { A: '1' } },
      {
        base: { type: 'dockerfile', path: 'f', registry: 'hub' },
        memoryBytes: 64 << 20,
        copyFiles: true,
        env: { A: '1' },
      },
      {
        base: { type: 'image', image: 'x', pull: 'always', registry: 'hub' },
        memoryBytes: 64 << 20,
        copyFiles: true,
        env: { A: '1' },
      },
    ]);
  });

  it('L19: an error in the defaults is reported once', () => {
    expect(
      check('workflow: [a, b]\ndefaults: { image: 5, workDir: x }\na: { script: s }\nb: { script: s }\n'),
    ).to.deep.equal([
      "2:20 INVALID_FIELD_TYPE 'defaults.image' must be a string",
      "2:32 INVALID_FIELD_VALUE 'defaults.workDir' must be an absolute path, got 'x'",
    ]);
    expect(check('workflow: [a]\ndefaults: x\na: { image: x, script: s }\n')).to.deep.equal([
      "2:11 INVALID_FIELD_TYPE 'defaults' must be an object",
    ]);
    expect(check('workflow: [a]\ndefaults: { if: x, needs: [a] }\na: { image: x, script: s }\n')).to.deep.equal([
      "2:13 UNKNOWN_FIELD unknown key 'if': the key here is 'condition'",
      "2:20 UNKNOWN_FIELD unknown key 'needs': it belongs in a job",
    ]);
  });

  it('L19: a job may be called defaults if the workflow names it, as in files for pin', () => {
    expect(parseValid('workflow: [defaults]\ndefaults: { image: x, script: s }\n').jobs[0]?.name).to.equal('defaults');
  });

  for (const [line, message, suggestion] of [
    ['env: { A: 1 }', "keys for all jobs belong in 'defaults'", 'write defaults: { env: … }'],
    ['image: alpine', "keys for all jobs belong in 'defaults'", 'write defaults: { image: … }'],
    ['variables: { A: 1 }', "keys for all jobs belong in 'defaults'", 'write defaults: { env: … }'],
    ['timeout: 5m', "keys for all jobs belong in 'defaults'", 'write defaults: { timeout: … }'],
    ['before_script: [x]', "keys for all jobs belong in 'defaults'", 'write defaults: { script: … }'],
    ['needs: [a]', "'needs' is a key of a job", 'write it in a job'],
    ['default: { image: alpine }', "the key here is 'defaults'", "write 'defaults' in its place"],
    ['stages: [a]', "the key here is 'workflow'", 'write workflow: [build, test]'],
    ['failFst: false', "the key here is 'failFast'", "write 'failFast' in its place"],
    [
      'jobs: { a: { image: x } }',
      'the jobs themselves are the keys here',
      'write each job at the top level, such as build: { image: alpine, script: make }',
    ],
  ] as const) {
    it(`L19: ${line} at the top level is an error that says where it belongs`, () => {
      for (const order of ['workflow: [a]\na: { image: x, script: s }\n', 'a: { image: x, script: s, needs: [] }\n']) {
        const { diagnostics, pipeline } = parsePipeline(`${order}${line}\n`);
        expect(pipeline, order).to.equal(undefined);
        expect(
          diagnostics.map(({ message: text, suggestions }) => [text, ...suggestions]),
          order,
        ).to.deep.equal([[`unknown key '${line.split(':')[0]}' at the top level: ${message}`, suggestion]]);
      }
    });
  }

  it('L19: a job that is not in the workflow causes only a warning, even if its name is a key', () => {
    expect(
      check('workflow: [a]\na: { image: x, script: s }\nenv: { image: x, script: s }\nversion: 3\non: [push]\n'),
    ).to.deep.equal([
      "warning 3:1 UNKNOWN_FIELD job 'env' is not in the workflow and does not run",
      "warning 4:1 UNKNOWN_FIELD unknown key 'version'",
      "warning 5:1 UNKNOWN_FIELD unknown key 'on'",
    ]);
  });
});
