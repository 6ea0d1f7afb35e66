// Example of a call written in TypeScript: counts down with a program and returns how long it took.

import { defineCall, WorkFailed } from 'distillery-gateway/calls';

export const calls = [
  defineCall({
    name: 'countdown',
    summary: 'Count down with a program and return how long it took',
    params: [
      {
        name: 'from',
        summary: 'The number to start from',
        schema: { type: 'integer', minimum: 1, maximum: 1000 },
        default: '3',
      },
    ],
    needs: ['process'],
    timeout: '1m',
    async run({ engines, params, defer, signal }) {
      const started = Date.now();
      defer('launch pad', () => {
        /* runs after the body, however the body ended; the receipt lists it */
      });
      const exit = await engines.process({ argv: ['seq', params['from'] ?? '3', '-1', '1'] });
      if (exit.exitCode !== 0 && !signal.aborted) throw new WorkFailed('the countdown stopped before zero');
      return { ...exit, value: { ms: Date.now() - started } };
    },
  }),
];
