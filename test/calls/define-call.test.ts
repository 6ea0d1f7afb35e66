// Tests defineCall: calls that a TypeScript module defines.

import { expect } from 'chai';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { CallDefinition } from '../../calls/declare/define-call.ts';
import { defineCall } from '../../calls/declare/define-call.ts';
import { recordingContext } from '../helpers/calls/recording-engines.ts';

async function runDefinition(run: CallDefinition['run']) {
  return defineCall({ name: 'it', run }).body(recordingContext({ a: 'x' }).context);
}

async function runToFailure(run: CallDefinition['run']): Promise<Error> {
  return runDefinition(run).then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );
}

describe('defineCall', () => {
  it('defineCall returns a call of kind code', () => {
    const { body, ...call } = defineCall({
      name: 'it',
      summary: 'Does it',
      params: [{ name: 'a' }],
      needs: ['container'],
      scope: 'admin',
      timeout: '1m',
      stop: { signal: 'SIGINT', grace: '2s' },
      run() {},
    });
    expect(body).to.be.a('function');
    expect(call).to.deep.equal({
      name: 'it',
      kind: 'code',
      summary: 'Does it',
      params: [{ name: 'a' }],
      needs: ['container'],
      scope: 'admin',
      timeoutMs: 60_000,
      stop: { signal: 'SIGINT', graceMs: 2_000 },
      declaresGrace: true,
    });
  });

  it('defineCall converts the policies of a definition', () => {
    const { onDisconnect, concurrency, retention, stallAfterMs, outputBytesMax } = defineCall({
      name: 'it',
      params: [{ name: 'a' }],
      onDisconnect: { default: 'detach', allow: ['cancel', 'grace:1m'] },
      concurrency: { limit: 2, by: 'a' },
      retention: { age: '30d', bytes: '1g' },
      stallAfter: 0,
      output: '64k',
      run() {},
    });
    expect({ onDisconnect, concurrency, retention, stallAfterMs, outputBytesMax }).to.deep.equal({
      onDisconnect: { default: { type: 'detach' }, allow: [{ type: 'cancel' }, { type: 'grace', graceMs: 60_000 }] },
      concurrency: { limit: 2, by: 'a', queue: 100 },
      retention: { ageMs: 2_592_000_000, bytes: 1 << 30 },
      stallAfterMs: 0,
      outputBytesMax: 65_536,
    });
    expect(defineCall({ name: 'it', onDisconnect: 'detach', run() {} }).onDisconnect).to.deep.equal({
      default: { type: 'detach' },
      allow: [{ type: 'detach' }],
    });
  });

  it('defineCall reads the directions in which a call exchanges bytes', () => {
    const define = (more: Partial<CallDefinition>) => {
      const { bytes, outputBytesMax } = defineCall({ name: 'it', ...more, run() {} });
      return { bytes, outputBytesMax };
    };
    expect(define({ input: 'bytes', output: 'bytes' })).to.deep.equal({
      bytes: ['input', 'output'],
      outputBytesMax: undefined,
    });
    expect(define({ output: { as: 'bytes', limit: '1k' } })).to.deep.equal({ bytes: ['output'], outputBytesMax: 1024 });
    expect(define({ input: 'lines', output: { limit: 5 } })).to.deep.equal({ bytes: undefined, outputBytesMax: 5 });
    for (const invalid of [{ input: 'text' }, { output: { as: 'text' } }, { output: { limit: 'all' } }, { output: [] }])
      expect(() => define(invalid as Partial<CallDefinition>)).to.throw(TypeError, /^call "it": (in|out)put/);
  });

  it('defineCall rejects invalid policies and names their keys', () => {
    const definition = {
      name: 'it',
      onDisconnect: { default: 'stay', alow: [] },
      concurrency: { limit: 0, by: 'b' },
      retention: { age: 'old' },
      stallAfter: '100d',
      output: 'all',
      run() {},
    } as unknown as CallDefinition;
    let message = '';
    try {
      defineCall(definition);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const part of [
      'onDisconnect.default: "stay" is not',
      'onDisconnect: must not have additional properties ("alow")',
      'concurrency.limit: must be >= 1',
      'concurrency.by: "b" is not a parameter of this call',
      'retention.age: "old" is not an age',
      'stallAfter: "100d" is longer',
      'output: "all" is not a size',
    ]) {
      expect(message).to.contain(part);
    }
  });

  it('defineCall sets declaresGrace to false if the definition declares no grace', () => {
    expect(defineCall({ name: 'it', run() {} })).to.deep.include({ declaresGrace: false, params: [], needs: [] });
  });

  it('a body that returns nothing makes the call succeed', async () =>
    expect(await runDefinition(() => {})).to.deep.equal({}));

  it('a body can return the result of an engine', async () => {
    expect(
      await runDefinition(({ engines, params }) => engines.process({ argv: ['x', params['a'] ?? ''] })),
    ).to.deep.equal({
      exitCode: 0,
    });
  });

  it('a body can return a value, alone or with an exit code', async () => {
    expect(await runDefinition(async () => ({ value: { free: [1, null] } }))).to.deep.equal({
      value: { free: [1, null] },
    });
    expect(await runDefinition(() => ({ exitCode: 3, value: 0 }))).to.deep.equal({ exitCode: 3, value: 0 });
  });

  for (const [title, value] of [
    [
      'a cycle',
      (() => {
        const cycle: { self?: unknown } = {};
        cycle.self = cycle;
        return cycle;
      })(),
    ],
    ['a function', () => {}],
    ['a big integer', 1n],
  ] as const) {
    it(`a call fails with a readable message if its value is ${title}`, async () => {
      const failure = await runToFailure(() => ({ value: value as never }));
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure.message).to.equal('result cannot be serialised');
    });
  }

  for (const wrong of ['text', 5, { free: 1 }, null]) {
    it(`a body must not return ${JSON.stringify(wrong)}`, async () => {
      const failure = await runToFailure(() => wrong as never);
      expect(failure).to.be.instanceOf(TypeError);
      expect(failure.message).to.contain('call "it" returned an invalid result');
    });
  }

  it('an error of the body reaches the caller of the body unchanged', async () => {
    expect(
      await runToFailure(() => {
        throw new WorkFailed('no such slug');
      }),
    ).to.be.instanceOf(WorkFailed);
  });

  it('defineCall reports every error of a definition at once', () => {
    const definition = {
      name: '-x',
      params: [{ name: 'a b' }, { name: 'c', schema: { type: 'array' } }, { name: 'd', default: 'x' }, { name: 'c' }],
      stop: { signal: 'TERM' },
      run: 5,
    } as unknown as CallDefinition;
    let message = '';
    try {
      defineCall(definition);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const part of [
      'name "-x"',
      '"a b" must consist of letters',
      'type "array"',
      '"d" has a default',
      'two parameters are named "c"',
      '"TERM" is not one of',
      'run must be',
    ]) {
      expect(message).to.contain(part);
    }
  });

  it('defineCall rejects an invalid timeout', () => {
    expect(() => defineCall({ name: 'it', timeout: 'soon', run() {} })).to.throw('"soon" is not a duration');
  });
});
