// Tests which part of a redrawn line a terminal shows.

import { expect } from 'chai';
import { visibleText } from '../../protocol/visible-text.ts';

describe('visibleText', () => {
  for (const [line, shown] of [
    ['', ''],
    ['plain', 'plain'],
    ['10 %\r20 %', '20 %'],
    ['10 %\r20 %\r', '20 %'],
    ['\r10 %', '10 %'],
    ['10 %\r\r', '10 %'],
    ['\r', ''],
    ['\r\r', ''],
    ['a\rb\rName? ', 'Name? '],
  ] as const)
    it(`T3: visibleText returns ${JSON.stringify(shown)} for ${JSON.stringify(line)}`, () => {
      expect(visibleText(line)).to.equal(shown);
    });
});
