// Tests the registry of calls.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import { createRegistry } from '../../calls/contract/registry.ts';

function call(name: string): Call {
  return { name, kind: 'code', params: [], needs: [], stop: { signal: 'SIGTERM', graceMs: 1 }, body: async () => ({}) };
}

describe('createRegistry', () => {
  const registry = createRegistry(['zeta', 'backup', 'alpha'].map(call));

  it('a registry finds calls by name', () => {
    expect(registry.get('backup')?.name).to.equal('backup');
    expect(registry.get('Backup')).to.equal(undefined);
    expect(registry.get('toString')).to.equal(undefined);
  });

  it('a registry lists calls in declaration order', () => {
    expect(registry.list().map(({ name }) => name)).to.deep.equal(['zeta', 'backup', 'alpha']);
  });

  it('a registry suggests only a similar name', () => {
    expect(registry.suggest('bakcup')).to.equal('backup');
    expect(registry.suggest('BACKUP')).to.equal('backup');
    expect(registry.suggest('restore')).to.equal(undefined);
    expect(registry.suggest('')).to.equal(undefined);
    expect(registry.suggest('x'.repeat(1 << 20))).to.equal(undefined);
  });

  it('a registry rejects two calls with the same name', () => {
    expect(() => createRegistry([call('a'), call('a')])).to.throw('two calls are named "a"');
  });
});
