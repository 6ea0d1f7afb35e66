import { expect } from 'chai';
import { checkPipeline } from '../../../server/pipeline/language/check.ts';
import { formatComplaints, formatInOneLine } from '../../../server/pipeline/language/format.ts';

const text = 'workflow: [build, lint]\nbuild:\n\timage: x\n';
const mistakes = 'workflow: [Build, lint]\nbuild:\n  image:  5\n  imgae: x\n  copyFiles: yes\n';

describe('complaints for people', () => {
  it('show the place, the line, the spot and the way out', () => {
    expect(formatComplaints(checkPipeline(mistakes).complaints, { file: 'release.yaml', text: mistakes }).split('\n')).to.deep.equal([
      "release.yaml:1:19: error: job 'lint' is not defined or is empty",
      '    workflow: [Build, lint]',
      '                      ^^^^',
      "release.yaml:3:11: error: 'image' must be a string (job 'Build')",
      '      image:  5',
      '              ^',
      '    hint: put it in quotes: "5"',
      "release.yaml:4:3: warning: unknown key 'imgae' (job 'Build')",
      '      imgae: x',
      '      ^^^^^',
      "    hint: did you mean 'image'?",
      "release.yaml:5:14: error: 'copyFiles' must be a boolean value (job 'Build')",
      '      copyFiles: yes',
      '                 ^^^',
      '    hint: write true, without quotes',
    ]);
  });

  it('keep tabs, so that the caret stands under the spot', () => {
    expect(formatComplaints(checkPipeline(text).complaints, { file: 'x', text }).split('\n').slice(1, 3)).to.deep.equal(['    \timage: x', '    ^']);
  });

  it('may be coloured', () => {
    const painted = formatComplaints(checkPipeline(mistakes).complaints, { file: 'x', text: mistakes, colour: true });
    expect(painted).to.contain('\x1b[31merror:\x1b[0m').and.contain('\x1b[33mwarning:\x1b[0m').and.contain('\x1b[31m^^^^\x1b[0m');
  });

  it('are shown without what a terminal would obey', () => {
    const odd = 'workflow: ["\\e[31m", a]\na: { image: x, "\u0007": 1 }\n';
    const shown = formatComplaints(checkPipeline(odd).complaints, { file: 'a\x1bb', text: odd });
    expect(shown).not.to.match(/[\0-\x08\x0b-\x1f\x7f]/);
  });

  it('show of a long line what is around the spot', () => {
    const long = `workflow: a\na: { image: x, ${'k: 1, '.repeat(2_000)}condition: "$A > 1" }\n`;
    const lines = formatComplaints(checkPipeline(long).complaints, { file: 'x', text: long }).split('\n');
    expect(lines.every((line) => line.length < 400)).to.equal(true);
  });

  it('are nothing where there is none', () => expect(formatComplaints([], { file: 'x', text: '' })).to.equal(''));

  it("fit in one line, in pin's words", () => {
    expect(checkPipeline(mistakes).complaints.map(formatInOneLine)).to.deep.equal([
      "validation error in job 'lint': job 'lint' is not defined or is empty", "validation error in job 'Build': 'image' must be a string", "warning in job 'Build': unknown key 'imgae'",
      "validation error in job 'Build': 'copyFiles' must be a boolean value"]);
    expect(checkPipeline('a: [').complaints.map(formatInOneLine)[0]).to.match(/^failed to parse YAML configuration: /);
    expect(checkPipeline('').complaints.map(formatInOneLine)).to.deep.equal(['validation error: workflow must be defined and cannot be empty']);
  });
});
