// Engines that record each request, and a context to run a body in.

import type { Context } from '../../../calls/contract/context.ts';
import type { EngineName, Exit } from '../../../calls/contract/engines.ts';
import type { Output } from '../../../calls/contract/ports.ts';

export interface RecordedRequest {
  readonly engine: EngineName;
  readonly spec: unknown;
}

export interface Recording {
  readonly requests: readonly RecordedRequest[];
  readonly context: Context;
}

/** Creates a context whose engines return `exit` at once. */
export function recordingContext(
  params: Readonly<Record<string, string>>,
  more: { exit?: Exit; terminal?: { cols: number; rows: number } } = {},
): Recording {
  const requests: RecordedRequest[] = [];
  const engine = (name: RecordedRequest['engine']) => async (spec: unknown) => {
    requests.push({ engine: name, spec });
    return more.exit ?? { exitCode: 0 };
  };
  const output: Output = { write() {}, full: false, drained: async () => {}, end() {}, part: () => output };
  return {
    requests,
    context: {
      run: 'run-1',
      params,
      caller: { user: '', token: false, scopes: ['*'] },
      signal: new AbortController().signal,
      input: { async *[Symbol.asyncIterator]() {}, taken() {}, discard() {} },
      output,
      events: { emit() {} },
      engines: {
        process: engine('process'),
        terminal: engine('terminal'),
        container: engine('container'),
        pipeline: engine('pipeline'),
      },
      defer() {},
      ...(more.terminal ? { terminal: more.terminal } : {}),
    },
  };
}
