// An example of calls written in TypeScript: counts down, listens to its signal, and returns a value.

import { defineCall } from '../../calls/contract/define.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';

export const calls = [
  defineCall({
    name: 'countdown',
    summary: 'Count down with the help of a program, and return how long it took',
    params: [{ name: 'from', summary: 'Where to begin', schema: { type: 'integer', minimum: 1, maximum: 1000 }, default: '3' }],
    needs: ['process'],
    timeout: '1m',
    async run({ engines, params, defer, signal }) {
      const started = Date.now();
      defer('launch pad', () => { /* work that is done after the body, however it ended, and told in the receipt */ });
      const exit = await engines.process({ argv: ['seq', params['from'] ?? '3', '-1', '1'] });
      if (exit.exitCode !== 0 && !signal.aborted) throw new WorkFailed('the countdown stopped before zero');
      return { ...exit, value: { ms: Date.now() - started } };
    },
  }),
];
