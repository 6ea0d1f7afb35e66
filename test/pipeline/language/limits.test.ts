// Tests each limit of a pipeline file.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import {
  aliasedValuesMax,
  diagnosticsMax,
  itemsMax,
  jobsMax,
  servicesMax,
  textBytesMax,
} from '../../../server/pipeline/language/limits.ts';
import { check, oneJob } from '../../helpers/pipeline/check-text.ts';

const numbersBelow = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);

describe('the limits of a pipeline file', () => {
  it('the size limit counts bytes, not characters', () => {
    const fileOfSize = (bytes: number): string =>
      `workflow: a\na: { image: x, script: sh }\n#${'é'.repeat((bytes - 41) / 2)}`;
    expect(Buffer.byteLength(fileOfSize(textBytesMax + 1))).to.equal(textBytesMax + 1);
    expect(check(fileOfSize(textBytesMax + 1))).to.deep.equal([
      '1:1 INVALID_CONFIG failed to parse YAML configuration: the text is larger than 1m',
    ]);
    expect(check(fileOfSize(textBytesMax - 1))).to.deep.equal([]);
  });

  it('the number of words and punctuation marks is limited', () => {
    expect(check('- 1\n'.repeat(100_000))[0]).to.match(
      /the text has more than \d+ words and punctuation marks; split it into several files$/,
    );
  });

  it('the nesting depth is limited', () => {
    for (const text of ['['.repeat(100_000), '- '.repeat(100_000), '{a: '.repeat(100_000), '? '.repeat(100_000)])
      expect(check(text)[0]).to.match(
        /^\d+:\d+ INVALID_CONFIG .*: lists and mappings are nested more than 50 levels deep$/,
      );
  });

  it('the number of values that aliases repeat is limited', () => {
    const level = (name: string, of: string): string =>
      `${name}: &${name} [${numbersBelow(10)
        .map(() => `*${of}`)
        .join(', ')}]`;
    const laughs = [
      'a: &a [x]',
      level('b', 'a'),
      level('c', 'b'),
      level('d', 'c'),
      level('e', 'd'),
      level('f', 'e'),
    ].join('\n');
    expect(check(laughs)[0]).to.contain(`more than the ${aliasedValuesMax} allowed; write them out, or use fewer`);
    expect(
      check(
        `workflow: [a]\na: &a { image: x, script: s }\nb: [${numbersBelow(1_000)
          .map(() => '*a')
          .join(', ')}]\n`,
      ),
    ).to.deep.equal(["warning 3:1 UNKNOWN_FIELD unknown key 'b'"]);
  });

  it('the number of jobs is limited', () => {
    const jobs = (count: number): string =>
      `workflow: [${numbersBelow(count)
        .map((at) => `j${at}`)
        .join(', ')}]\n${numbersBelow(count)
        .map((at) => `j${at}: { image: x, script: s }\n`)
        .join('')}`;
    expect(check(jobs(jobsMax))).to.deep.equal([]);
    expect(check(jobs(jobsMax + 1))).to.deep.equal([
      `1:${jobs(jobsMax + 1).indexOf(' j1000') + 2} INVALID_FIELD_VALUE there are 1001 jobs; at most 1000 are allowed`,
    ]);
    expect(
      check(
        `workflow: [${numbersBelow(jobsMax + 1)
          .map(() => 'a')
          .join(', ')}]\na: { image: x, script: s }\n`,
      ),
    ).to.have.length(1);
  });

  it('the number of list items and of services is limited', () => {
    expect(
      check(
        oneJob(
          `env: [${numbersBelow(itemsMax + 1)
            .map((at) => `A${at}=1`)
            .join(', ')}]`,
        ),
      ),
    ).to.deep.equal(["4:8 INVALID_FIELD_VALUE 'env' has 1001 items; at most 1000 are allowed"]);
    expect(check(oneJob(`script: [${numbersBelow(itemsMax + 1).join('x, ')}x]`))).to.deep.equal([]);
    expect(
      check(
        oneJob(
          `services: { ${numbersBelow(servicesMax + 1)
            .map((at) => `s${at}: { image: x, script: s }`)
            .join(', ')} }`,
        ),
      ),
    ).to.deep.equal(["4:13 INVALID_FIELD_VALUE 'services' has 21 services; at most 20 are allowed"]);
  });

  it('the size of all regular expressions is limited', () => {
    const expected =
      'copyIgnore item at index 999 is neither a gitignore pattern nor a regular expression: the ' +
      'file has too many regular expressions with repetitions';
    expect(
      check(
        oneJob(
          `copyIgnore: [${numbersBelow(1_000)
            .map((at) => `'^${at}(a|b){900}'`)
            .join(', ')}]`,
        ),
      ).some((line) => line.endsWith(expected) || line.includes('and ')),
    ).to.equal(true);
    expect(
      check(
        oneJob(
          `copyIgnore: [${numbersBelow(1_000)
            .map((at) => `'^src/.*/${at}$'`)
            .join(', ')}]`,
        ),
      ),
    ).to.deep.equal([]);
  });

  it('the number of diagnostics is limited: errors come first, and the rest is counted', () => {
    const diagnostics = parsePipeline(
      oneJob(...numbersBelow(300).map((at) => `k${at}: x`), 'script: 5', 'port: 5'),
    ).diagnostics;
    expect(diagnostics).to.have.length(diagnosticsMax + 1);
    expect(diagnostics.filter(({ severity }) => severity === 'error').map(({ field }) => field)).to.deep.equal([
      'script',
      'port',
    ]);
    expect(diagnostics.find(({ message }) => message.startsWith('and '))).to.deep.include({
      message: 'and 202 more',
      severity: 'warning',
      line: 102,
    });
    const errors = parsePipeline(
      `workflow: [${numbersBelow(150)
        .map((at) => `x${at}`)
        .join(', ')}]\n`,
    ).diagnostics;
    expect(errors.at(-1)).to.deep.include({ message: 'and 50 more', severity: 'error' });
  });
});
