// Tests how distillery.v2 reads messages with invalid fields.

import { expect } from 'chai';
import { v2 } from '../../protocol/dialects/v2.ts';

const read = (message: unknown) => v2.read(new TextEncoder().encode(JSON.stringify(message)));

/** Messages whose fields are invalid or name several actions, and the message type that the dialect reads from each. */
const ambiguous: readonly (readonly [message: object, meaning: string])[] = [
  [{ call: 'x', params: 5 }, 'invalid-message'],
  [{ call: 'x', params: 5, signal: 'detach' }, 'detach'],
  [{ name: 'x', params: [7], signal: 'resize', cols: 80, rows: 24 }, 'resize'],
  [{ call: 'x', params: 5, signal: 'resize', cols: 0, rows: 24 }, 'invalid-message'],
  [{ signal: 'resize', cols: 0, rows: 24 }, 'resize'],
  [{ signal: 'resize' }, 'resize'],
  [{ call: 'x', params: 5, signal: 'cancel' }, 'invalid-message'],
  [{ call: 'x', params: 5, signal: 'close' }, 'invalid-message'],
  [{ call: 'x', params: 5, attach: 'pfoor4frgd5jkwjz' }, 'attach'],
  [{ call: 'x', params: [], signal: 'detach', attach: 'pfoor4frgd5jkwjz' }, 'call'],
];

describe('the dialect distillery.v2', () => {
  for (const [message, meaning] of ambiguous) {
    it(`the dialect reads ${JSON.stringify(message)} as ${meaning}`, () => {
      expect(read(message).type).to.equal(meaning);
    });
  }
});
