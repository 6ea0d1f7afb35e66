// Tests the conditions of jobs: their values, their errors, and the positions of these errors.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { evaluate } from '../../../server/pipeline/language/condition.ts';
import { parseCondition } from '../../../server/pipeline/language/condition-parser.ts';
import { conditionDepthMax } from '../../../server/pipeline/language/limits.ts';
import { oneJob } from '../../helpers/pipeline/check-text.ts';

const values: Readonly<Record<string, string>> = { A: '1', B: '2', C: '3', F: 'false', _x9: 'y', S: 'a b' };

function evaluateText(text: string): boolean | string {
  const parsed = parseCondition(text);
  return 'error' in parsed ? parsed.error.message : evaluate(parsed, (name) => values[name]);
}

const trueConditions = [
  '$A == 1',
  '$A=="1"',
  "$A == '1'",
  '${A} == "1"',
  '($A == "1")',
  '$A && $C == "3"',
  '$Z || $A',
  '$Z == ""',
  '$Z != "x"',
  '$A != "1" || $B == "2"',
  'main',
  '!$Z',
  '$A || $B && $Z',
  '$A == "1" || $B == "9" && $C == "9"',
  '!!$A',
  '!($A == 2)',
  '!!!$Z',
  '"x"',
  "'x'",
  '"false "',
  'False',
  '00',
  '1 == $A',
  '$S == "a b"',
  '$_x9 == y',
  'feature/x-1.2 == feature/x-1.2',
  '(((($A))))',
  '!($Z || $F)',
  '$A\n&& $B',
  "'\"' == '\"'",
  '"a&&b" == "a&&b"',
  'a,b{c}:d',
];
const falseConditions = [
  '$F',
  '$Z',
  'false',
  '0',
  '!$A',
  'A == "1"',
  '$A == "a&&b"',
  '$A == "x==y"',
  '($A || $B) && $Z',
  '""',
  "''",
  '"0"',
  '$A == "$A"',
  "$A == '${A}'",
  '!main',
  '$A && $B && $Z',
  '$Z == $A',
  '!(main)',
];

/** A text, its error, and the column and length of the error. Columns count from 0. */
const errors: readonly (readonly [string, string, number, number])[] = [
  ['$A > "0"', "'>' is not an operator", 3, 1],
  ['$A < 1', "'<' is not an operator", 3, 1],
  ['$A = "1"', "'=' is not an operator", 3, 1],
  ['$A === 1', "'=' is not an operator", 5, 1],
  ['$A ==', "expected a variable or a string after '=='", 3, 2],
  ['($A', "the '(' is not closed", 0, 1],
  ['$A)', "the ')' has no matching '('", 2, 1],
  ['()', "expected a variable or a string after '(', found ')'", 1, 1],
  ['!', "expected a variable or a string after '!'", 0, 1],
  ['$A &&', "expected a variable or a string after '&&'", 3, 2],
  ['&& $A', "expected a variable or a string, found '&&'", 0, 2],
  ['$A & $B', "'&' is not an operator", 3, 1],
  ['$A | $B', "'|' is not an operator", 3, 1],
  ['$A $B', "expected an operator before '$B'", 3, 2],
  ['a b', "expected an operator before 'b'", 2, 1],
  ['a"b"', 'expected an operator before \'"b"\'', 1, 3],
  ['($A $B)', "expected an operator before '$B'", 4, 2],
  ['!$A == 1', "'!' before a comparison is ambiguous: it applies to a single operand", 0, 1],
  ['!!$A != 1', "'!' before a comparison is ambiguous: it applies to a single operand", 1, 1],
  ['$A == !$B', "expected a variable or a string after '==', found '!'", 6, 1],
  ['$A == ($B)', "expected a variable or a string after '==', found '('", 6, 1],
  ['($A) == 1', "'==' compares two operands, but there is more than one operand before it", 5, 2],
  ['$A == 1 == 1', "'==' compares two operands, but there is more than one operand before it", 8, 2],
  ['$', "'$' must be followed by a name", 0, 1],
  ['$1', "'$' must be followed by a name", 0, 1],
  ['${}', "'$' must be followed by a name", 0, 3],
  ['${A-B}', "'$' must be followed by a name", 0, 6],
  ['x == ${A', "'${A' is not closed", 5, 3],
  ['$A == "x', 'the quote " is not closed', 6, 2],
  ["$A == 'x", "the quote ' is not closed", 6, 2],
];

describe('a condition', () => {
  for (const text of trueConditions)
    it(`the condition is true: ${JSON.stringify(text)}`, () => expect(evaluateText(text)).to.equal(true));
  for (const text of falseConditions)
    it(`the condition is false: ${JSON.stringify(text)}`, () => expect(evaluateText(text)).to.equal(false));
  for (const [text, message, at, length] of errors) {
    it(`the condition is rejected: ${text}`, () => {
      const parsed = parseCondition(text);
      expect(
        'error' in parsed && { message: parsed.error.message, at: parsed.error.at, length: parsed.error.length },
      ).to.deep.equal({ message, at, length });
    });
  }

  it('a condition may be nested up to a limit', () => {
    for (const [open, close] of [
      ['(', ')'],
      ['!', ''],
      ['!(', ')'],
    ] as const) {
      const times = Math.floor(conditionDepthMax / open.length);
      expect(evaluateText(`${open.repeat(times)}x${close.repeat(times)}`), open).to.be.a('boolean');
      expect(evaluateText(`${open.repeat(100_000)}x${close.repeat(100_000)}`), open).to.equal(
        `nested more than ${conditionDepthMax} levels deep`,
      );
    }
    expect(evaluateText(Array.from({ length: 100_000 }, () => '$A').join(' && '))).to.equal(true);
  });

  /** Titles, lines of the job, and the position of the error, which is at `>`. */
  const written: readonly (readonly [string, string, string])[] = [
    ['plain', 'condition: $A > 1', '4:17'],
    ['in double quotes', 'condition: "$A > 1"', '4:18'],
    ['in single quotes', "condition: '''x'' > 1'", '4:21'],
    ['with escapes', 'condition: "\\x24A\\t\\u0026\\u0026 $A > 1"', '4:38'],
    ['folded over lines', 'condition: $A &&\n    $B > 1', '5:8'],
    ['folded over lines in quotes', 'condition: "$A &&\n\n    $B\\\n      > 1"', '7:7'],
    ['in a block', 'condition: |\n    $A &&\n      $B > 1', '6:10'],
    ['in a folded block', 'condition: >-\n\n    $A\n    &&\n    $B > 1', '8:8'],
    ['after an anchor', 'condition: &c $A > 1', '4:20'],
    ['after a character of two UTF-16 units', 'condition: $A == "😀" > 1', '4:25'],
    ['after an escaped character of two units', `condition: "$A == '\\U0001F600' > 1"`, '4:34'],
  ];
  for (const [title, lines, place] of written) {
    it(`an error in a condition has its position in the file: ${title}`, () => {
      const [diagnostic, ...more] = parsePipeline(oneJob(lines)).diagnostics;
      expect(more).to.deep.equal([]);
      expect(diagnostic?.message).to.equal("invalid condition: '>' is not an operator");
      expect(`${diagnostic?.line}:${diagnostic?.column}`).to.equal(place);
    });
  }

  it('a condition is part of the model with its text and location', () => {
    expect(parsePipeline(oneJob('condition: $A == "1"')).pipeline?.jobs[0]?.condition).to.deep.equal({
      text: '$A == "1"',
      location: { line: 4, column: 14, length: 9 },
      expression: { type: 'equal', left: { variable: 'A' }, right: { text: '1' } },
    });
  });
});
