import { expect } from 'chai';
import { defineCall } from '../../calls/contract/define.ts';
import type { CallDefinition } from '../../calls/contract/define.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { recordingContext } from './engines.ts';

async function endingOf(run: CallDefinition['run']) {
  return defineCall({ name: 'it', run }).body(recordingContext({ a: 'x' }).context);
}

async function failureOf(run: CallDefinition['run']): Promise<Error> {
  return endingOf(run).then(() => expect.fail('it did not fail'), (error: Error) => error);
}

describe('defineCall', () => {
  it('makes a call of kind code', () => {
    const { body, ...call } = defineCall({
      name: 'it', summary: 'Does it', params: [{ name: 'a' }], needs: ['container'], scope: 'admin', timeout: '1m', stop: { signal: 'SIGINT', grace: '2s' }, run() {},
    });
    expect(body).to.be.a('function');
    expect(call).to.deep.equal({
      name: 'it', kind: 'code', summary: 'Does it', params: [{ name: 'a' }], needs: ['container'], scope: 'admin', timeoutMs: 60_000,
      stop: { signal: 'SIGINT', graceMs: 2_000 }, ownGrace: true,
    });
  });

  it('takes what its author decides about its runs', () => {
    const { onDisconnect, concurrency, retention, stallAfterMs, outputBytesMax } = defineCall({
      name: 'it', params: [{ name: 'a' }], onDisconnect: { default: 'detach', allow: ['cancel', 'grace:1m'] }, concurrency: { limit: 2, by: 'a' },
      retention: { age: '30d', bytes: '1g' }, stallAfter: 0, output: '64k', run() {},
    });
    expect({ onDisconnect, concurrency, retention, stallAfterMs, outputBytesMax }).to.deep.equal({
      onDisconnect: { default: { type: 'detach' }, allow: [{ type: 'cancel' }, { type: 'grace', graceMs: 60_000 }] },
      concurrency: { limit: 2, by: 'a', queue: 100 }, retention: { ageMs: 2_592_000_000, bytes: 1 << 30 }, stallAfterMs: 0, outputBytesMax: 65_536,
    });
    expect(defineCall({ name: 'it', onDisconnect: 'detach', run() {} }).onDisconnect).to.deep.equal({ default: { type: 'detach' }, allow: [{ type: 'detach' }] });
  });

  it('refuses decisions that are none, with their place', () => {
    const definition = {
      name: 'it', onDisconnect: { default: 'stay', alow: [] }, concurrency: { limit: 0, by: 'b' }, retention: { age: 'old' }, stallAfter: '100d', output: 'all', run() {},
    } as unknown as CallDefinition;
    let message = '';
    try {
      defineCall(definition);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const part of ['onDisconnect.default: "stay" is not', 'onDisconnect: must not have additional properties ("alow")', 'concurrency.limit: must be >= 1',
      'concurrency.by: "b" is not a parameter of this call', 'retention.age: "old" is not an age', 'stallAfter: "100d" is longer', 'output: "all" is not a size']) {
      expect(message).to.contain(part);
    }
  });

  it('marks a call that leaves its grace to the configuration', () => {
    expect(defineCall({ name: 'it', run() {} })).to.deep.include({ ownGrace: false, params: [], needs: [] });
  });

  it('takes nothing returned for success', async () => expect(await endingOf(() => {})).to.deep.equal({}));

  it('passes on how an engine ended', async () => {
    expect(await endingOf(({ engines, params }) => engines.process({ argv: ['x', params['a'] ?? ''] }))).to.deep.equal({ exitCode: 0 });
  });

  it('passes on a value, alone or beside an exit', async () => {
    expect(await endingOf(async () => ({ value: { free: [1, null] } }))).to.deep.equal({ value: { free: [1, null] } });
    expect(await endingOf(() => ({ exitCode: 3, value: 0 }))).to.deep.equal({ exitCode: 3, value: 0 });
  });

  for (const [title, value] of [
    ['a cycle', (() => { const cycle: { self?: unknown } = {}; cycle.self = cycle; return cycle; })()], ['a function', () => {}], ['a big integer', 1n],
  ] as const) {
    it(`fails the work, readably, when the value is ${title}`, async () => {
      const failure = await failureOf(() => ({ value: value as never }));
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure.message).to.equal('result cannot be serialised');
    });
  }

  for (const wrong of ['text', 5, { free: 1 }, null]) {
    it(`refuses ${JSON.stringify(wrong)} as what a body returns`, async () => {
      const failure = await failureOf(() => wrong as never);
      expect(failure).to.be.instanceOf(TypeError);
      expect(failure.message).to.contain('call "it" returned something else');
    });
  }

  it('lets what a body throws through as it is', async () => {
    expect(await failureOf(() => { throw new WorkFailed('no such slug'); })).to.be.instanceOf(WorkFailed);
  });

  it('refuses every mistake of a definition at once', () => {
    const definition = {
      name: '-x', params: [{ name: 'a b' }, { name: 'c', schema: { type: 'array' } }, { name: 'd', default: 'x' }, { name: 'c' }], stop: { signal: 'TERM' }, run: 5,
    } as unknown as CallDefinition;
    let message = '';
    try {
      defineCall(definition);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const part of ['name "-x"', '"a b" must be letters', 'type "array"', '"d" has a default', 'two parameters named "c"', '"TERM" is not one of', 'run must be']) {
      expect(message).to.contain(part);
    }
  });

  it('refuses a timeout that is none', () => {
    expect(() => defineCall({ name: 'it', timeout: 'soon', run() {} })).to.throw('"soon" is not a duration');
  });
});
