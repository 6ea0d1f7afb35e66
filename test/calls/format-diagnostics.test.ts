// Tests how users read diagnostics: in a terminal with the source line, in logs as one line.

import { expect } from 'chai';
import { byPosition, type Diagnostic, type FileDiagnostic, inFile } from '../../calls/text/diagnostic.ts';
import { formatDiagnosticLine, formatDiagnostics, joinDiagnosticLines } from '../../calls/text/format-diagnostics.ts';
import { parsePipeline } from '../../server/pipeline/language/check.ts';

const mistakes = 'workflow: [Build, lint]\nbuild:\n  image:  5\n  imgae: x\n  copyFiles: yes\n';

const diagnostic: Diagnostic = { severity: 'error', message: 'is odd', line: 1, column: 3, length: 1, suggestions: [] };

function parse(text: string, file = 'release.yaml'): readonly FileDiagnostic[] {
  return inFile(parsePipeline(text).diagnostics, file, text);
}

describe('formatDiagnostics', () => {
  it('formatDiagnostics prints location, severity, path, message, source line with carets, and hints', () => {
    expect(formatDiagnostics(parse(mistakes)).split('\n')).to.deep.equal([
      "release.yaml:1:19: error: lint: job 'lint' is not defined or is empty",
      '    workflow: [Build, lint]',
      '                      ^^^^',
      "release.yaml:3:11: error: Build.image: 'image' must be a string",
      '      image:  5',
      '              ^',
      '    hint: put it in quotes: "5"',
      "release.yaml:4:3: warning: Build.imgae: unknown key 'imgae'",
      '      imgae: x',
      '      ^^^^^',
      "    hint: did you mean 'image'?",
      "release.yaml:5:14: error: Build.copyFiles: 'copyFiles' must be a boolean value",
      '      copyFiles: yes',
      '                 ^^^',
      '    hint: write true, without quotes',
    ]);
  });

  it('formatDiagnostics keeps tabs before the caret, so that the caret stays under its character', () => {
    const text = 'workflow: [build, lint]\nbuild:\n\timage: x\n';
    expect(formatDiagnostics(parse(text)).split('\n').slice(1, 3)).to.deep.equal(['    \timage: x', '    ^']);
  });

  it('formatDiagnostics colours the location, the severity and the carets on request', () => {
    expect(formatDiagnostics(parse(mistakes), { colour: true }))
      .to.contain('\x1b[1mrelease.yaml:1:19:\x1b[0m \x1b[31merror:\x1b[0m lint:')
      .and.contain('\x1b[33mwarning:\x1b[0m')
      .and.contain('\x1b[31m^^^^\x1b[0m');
  });

  it('formatDiagnostics replaces control characters in file contents and file names', () => {
    const shown = formatDiagnostics(parse('workflow: ["\\e[31m", a]\na: { image: x, "\u0007": 1 }\n', 'a\x1bb'));
    expect(shown).not.to.match(/[\0-\x08\x0b-\x1f\x7f]/);
  });

  it('formatDiagnostics shows only the neighbourhood of the location in a long line', () => {
    const long = `workflow: a\na: { image: x, ${'k: 1, '.repeat(2_000)}condition: "$A > 1" }\n`;
    const lines = formatDiagnostics(parse(long)).split('\n');
    expect(lines.every((line) => line.length < 400)).to.equal(true);
  });

  it('formatDiagnostics prints neither position nor source line for a diagnostic of a whole file', () => {
    const whole = { ...diagnostic, line: 0, column: 0, length: 0, file: 'a.yaml', source: '' };
    expect(formatDiagnostics([whole])).to.equal('a.yaml: error: is odd');
  });

  it('formatDiagnostics returns an empty string without diagnostics', () => expect(formatDiagnostics([])).to.equal(''));
});

describe('formatDiagnosticLine', () => {
  it('formatDiagnosticLine joins location, path, message and suggestions in one line', () => {
    const line = (more: Partial<Diagnostic>) => formatDiagnosticLine({ ...diagnostic, ...more, file: 'f' });
    expect(line({ field: 'workflow' })).to.equal('f:1:3: workflow: is odd');
    expect(line({ job: 'build', field: 'image', suggestions: ['a', 'b'] })).to.equal(
      'f:1:3: build.image: is odd; a; b',
    );
    expect(line({ path: 'calls.a', message: 'two\nlines' })).to.equal('f:1:3: calls.a: two\u{fffd}lines');
    expect(line({ line: 0 })).to.equal('f: is odd');
  });
});

describe('joinDiagnosticLines', () => {
  it('joinDiagnosticLines keeps the lines that fit, at least one, and counts the rest', () => {
    expect(joinDiagnosticLines(['one', 'two', 'three'], 8)).to.equal('one\ntwo\nand 1 more');
    expect(joinDiagnosticLines(['a long line', 'two'], 6)).to.equal('a long\nand 1 more');
    expect(joinDiagnosticLines(['one'], 100)).to.equal('one');
  });
});

describe('byPosition', () => {
  it('byPosition sorts by line and column, and keeps the order of diagnostics at the same position', () => {
    const at = (line: number, column: number, message: string): Diagnostic => ({
      ...diagnostic,
      line,
      column,
      message,
    });
    const sorted = byPosition([at(2, 1, 'c'), at(1, 5, 'a'), at(1, 5, 'b'), at(1, 2, 'first')]);
    expect(sorted.map(({ message }) => message)).to.deep.equal(['first', 'a', 'b', 'c']);
  });
});
