// A call that cannot be started as asked. Nothing was started; the caller reads the message.

import type { SessionEndingName } from '../../protocol/close-codes.ts';

export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly ending: SessionEndingName;

  constructor(ending: SessionEndingName, message: string) {
    super(message);
    this.ending = ending;
  }
}
