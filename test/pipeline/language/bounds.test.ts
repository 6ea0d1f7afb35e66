import { expect } from 'chai';
import { complaintsMax, itemsMax, jobsMax, repeatedMax, servicesMax, textBytesMax } from '../../../server/pipeline/language/bounds.ts';
import { checkPipeline } from '../../../server/pipeline/language/check.ts';
import { oneJob, told } from './told.ts';

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);

describe('the bounds of a pipeline file', () => {
  it('are of its bytes, not its characters', () => {
    const filled = (bytes: number): string => `workflow: a\na: { image: x }\n#${'é'.repeat((bytes - 29) / 2)}`;
    expect(Buffer.byteLength(filled(textBytesMax + 1))).to.equal(textBytesMax + 1);
    expect(told(filled(textBytesMax + 1))).to.deep.equal(['1:1 INVALID_CONFIG failed to parse YAML configuration: the text is larger than 1m']);
    expect(told(filled(textBytesMax - 1))).to.deep.equal([]);
  });

  it('are of its words and marks', () => {
    expect(told('- 1\n'.repeat(100_000))[0]).to.match(/the text has more than \d+ words and marks; make several files of it$/);
  });

  it('are of how deep it is nested', () => {
    for (const text of ['['.repeat(100_000), '- '.repeat(100_000), '{a: '.repeat(100_000), '? '.repeat(100_000)]) expect(told(text)[0]).to.match(/^\d+:\d+ INVALID_CONFIG failed to parse YAML configuration: lists and mappings are nested more than 50 deep$/);
  });

  it('are of the values that aliases repeat', () => {
    const level = (name: string, of: string): string => `${name}: &${name} [${numbers(10).map(() => `*${of}`).join(', ')}]`;
    const laughs = ['a: &a [x]', level('b', 'a'), level('c', 'b'), level('d', 'c'), level('e', 'd'), level('f', 'e')].join('\n');
    expect(told(laughs)[0]).to.contain(`${repeatedMax} is the most they may: write them out, or use fewer`);
    expect(told(`workflow: [a]\na: &a { image: x }\nb: [${numbers(1_000).map(() => '*a').join(', ')}]\n`)).to.deep.equal(["warning 3:1 UNKNOWN_FIELD unknown key 'b'"]);
  });

  it('are of its jobs', () => {
    const jobs = (count: number): string => `workflow: [${numbers(count).map((at) => `j${at}`).join(', ')}]\n${numbers(count).map((at) => `j${at}: { image: x }\n`).join('')}`;
    expect(told(jobs(jobsMax))).to.deep.equal([]);
    expect(told(jobs(jobsMax + 1))).to.deep.equal([`1:${jobs(jobsMax + 1).indexOf(' j1000') + 2} INVALID_FIELD_VALUE there are 1001 jobs; 1000 is the most there may be`]);
    expect(told(`workflow: [${numbers(jobsMax + 1).map(() => 'a').join(', ')}]\na: { image: x }\n`)).to.have.length(1);
  });

  it('are of the items of a list, and of services', () => {
    expect(told(oneJob(`env: [${numbers(itemsMax + 1).map((at) => `A${at}=1`).join(', ')}]`))).to.deep.equal(["4:8 INVALID_FIELD_VALUE 'env' has 1001 items; 1000 is the most there may be"]);
    expect(told(oneJob(`script: [${numbers(itemsMax + 1).join('x, ')}x]`))).to.deep.equal([]);
    expect(told(oneJob(`services: { ${numbers(servicesMax + 1).map((at) => `s${at}: { image: x }`).join(', ')} }`))).to.deep.equal(["4:13 INVALID_FIELD_VALUE 'services' has 21 services; 20 is the most there may be"]);
  });

  it('are of the regular expressions that are looked at', () => {
    const expected = 'copyIgnore item at index 999 is neither a gitignore pattern nor a regular expression: there are too many regular expressions with repetitions in this file';
    expect(told(oneJob(`copyIgnore: [${numbers(1_000).map((at) => `'^${at}(a|b){900}'`).join(', ')}]`)).some((line) => line.endsWith(expected) || line.includes('and '))).to.equal(true);
    expect(told(oneJob(`copyIgnore: [${numbers(1_000).map((at) => `'^src/.*/${at}$'`).join(', ')}]`))).to.deep.equal([]);
  });

  it('are of the complaints: errors first, then the number of the others', () => {
    const complaints = checkPipeline(oneJob(...numbers(300).map((at) => `k${at}: x`), 'script: 5', 'port: 5')).complaints;
    expect(complaints).to.have.length(complaintsMax + 1);
    expect(complaints.filter(({ severity }) => severity === 'error').map(({ field }) => field)).to.deep.equal(['script', 'port']);
    expect(complaints.find(({ message }) => message.startsWith('and '))).to.deep.include({ message: 'and 202 more', severity: 'warning', line: 102 });
    const errors = checkPipeline(`workflow: [${numbers(150).map((at) => `x${at}`).join(', ')}]\n`).complaints;
    expect(errors.at(-1)).to.deep.include({ message: 'and 50 more', severity: 'error' });
  });
});
