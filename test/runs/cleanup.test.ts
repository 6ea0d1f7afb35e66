import { expect } from 'chai';
import type { ObligationEntry, Releaser } from '../../calls/contract/ports.ts';
import { CleanupScope, type Releasers, type ScopeParts } from '../../server/runs/cleanup.ts';
import { deferred } from '../../server/support/deferred.ts';

/** A scope whose journal is a map, and a list of what was done in which order. */
function scopeWith(releasers: Releasers, more: Partial<ScopeParts> = {}) {
  const journal = new Map<string, ObligationEntry>();
  const faults: unknown[] = [];
  const hurry = new AbortController();
  const scope = new CleanupScope({
    run: 'r', releasers, stop: { signal: 'SIGTERM', graceMs: 20 }, hurry, releaseMs: 5_000, onFault: (error) => faults.push(error),
    journal: { journal: (entry) => void journal.set(entry.id, entry), strike: ({ id }) => void journal.delete(id) },
    ...more,
  });
  return { scope, journal, faults, hurry };
}

function recording(done: string[]): Releaser {
  return async ({ id }) => {
    await Promise.resolve();
    done.push(id);
    return { how: 'SIGTERM' };
  };
}

describe('the cleanup scope', () => {
  it('journals before and strikes after, releases last in first out, and accounts for all', async () => {
    const done: string[] = [];
    const { scope, journal } = scopeWith({ process: recording(done), container: recording(done) });
    scope.owe('process', 'one', { a: 1 });
    scope.owe('container', 'two');
    scope.defer('three', () => void done.push('three'));
    expect([...journal.keys()]).to.deep.equal(['one', 'two', 'deferred-1']);
    const receipt = await scope.release();
    expect(done).to.deep.equal(['three', 'two', 'one']);
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind, id, how }) => `${kind} ${id} ${how}`)).to.deep.equal(['deferred three done', 'container two SIGTERM', 'process one SIGTERM']);
    expect(journal.size).to.equal(0);
  });

  it('releases each once, however often and from wherever it is asked', async () => {
    const done: string[] = [];
    const { scope } = scopeWith({ process: recording(done) });
    const owed = scope.owe('process', 'one');
    expect(owed.release()).to.equal(owed.release());
    const receipts = await Promise.all([scope.release(), scope.endStarted(), scope.release(), owed.release()]);
    expect(done).to.deep.equal(['one']);
    expect(receipts[0]).to.deep.equal(receipts[2]);
    expect((await scope.release()).released).to.have.length(1);
  });

  it('ends what was started while the body goes on, and leaves deferred work for later', async () => {
    const done: string[] = [];
    const { scope } = scopeWith({ process: recording(done) });
    scope.owe('process', 'one');
    scope.defer('cleanup', () => void done.push('cleanup'));
    scope.owe('process', 'two');
    await scope.endStarted();
    expect(done).to.deep.equal(['two', 'one']);
    await scope.release();
    expect(done).to.deep.equal(['two', 'one', 'cleanup']);
  });

  it('releases what is opened while it releases', async () => {
    const done: string[] = [];
    const { scope } = scopeWith({ process: recording(done) });
    scope.owe('process', 'one');
    scope.defer('opens another', () => void scope.owe('process', 'late'));
    expect((await scope.release()).released.map(({ id }) => id)).to.deep.equal(['opens another', 'late', 'one']);
  });

  it('gives each its own deadline, and goes on to the next', async () => {
    const done: string[] = [];
    const { scope, journal } = scopeWith({ process: recording(done), container: () => new Promise(() => {}) }, { releaseMs: 30 });
    scope.owe('process', 'one');
    scope.owe('container', 'stuck');
    const receipt = await scope.release();
    expect(receipt).to.deep.include({ clean: false, left: [{ kind: 'container', id: 'stuck', why: 'not verified to be gone within 50 ms' }] });
    expect(done).to.deep.equal(['one']);
    expect([...journal.keys()]).to.deep.equal(['stuck']);
  });

  it('says nothing internal of a release that threw, and logs it', async () => {
    const { scope, journal, faults } = scopeWith({ process: () => { throw new Error('secret'); } });
    scope.owe('process', 'one');
    scope.defer('two', () => Promise.reject(new Error('secret')));
    const receipt = await scope.release();
    expect(JSON.stringify(receipt)).not.to.contain('secret');
    expect(receipt.left.map(({ why }) => why)).to.deep.equal(Array(2).fill('its release failed; the log of the gateway says why'));
    expect(faults.map(String)).to.deep.equal(['Error: secret', 'Error: secret']);
    expect(journal.size).to.equal(2);
  });

  it('leaves what nobody here can release', async () => {
    const { scope } = scopeWith({});
    scope.owe('volume', 'one');
    expect((await scope.release()).left).to.deep.equal([{ kind: 'volume', id: 'one', why: 'this gateway cannot release a volume' }]);
  });

  it('hands the stop policy, the wish to hurry and what is coming into being to the releaser', async () => {
    const flow = deferred<void>();
    const seen: string[] = [];
    const { scope, hurry } = scopeWith({
      process: async (entry, manner) => {
        seen.push(`${manner.stop.signal} ${manner.hurry.aborted} ${JSON.stringify(entry.facts)}`);
        await manner.flow;
        seen.push(`settled ${manner.hurry.aborted}`);
        return { how: 'exited' };
      },
    });
    const owed = scope.owe('process', 'one', { a: 1 });
    owed.learn({ b: 2 });
    owed.during(flow.promise);
    owed.during(Promise.reject(new Error('never began')));
    const released = scope.release();
    hurry.abort();
    expect(seen).to.deep.equal(['SIGTERM false {"a":1,"b":2}']);
    flow.resolve();
    await released;
    expect(seen[1]).to.equal('settled true');
  });

  it('journals what is learnt, but nothing of what is released already', async () => {
    const { scope, journal } = scopeWith({ process: recording([]) });
    const owed = scope.owe('process', 'one');
    owed.learn({ pid: 1 });
    expect(journal.get('one')?.facts).to.deep.equal({ pid: 1 });
    await owed.release();
    owed.learn({ pid: 2 });
    expect(journal.size).to.equal(0);
  });

  it('does not let anything be opened that cannot be journaled', () => {
    const refusing = { journal: () => { throw new Error('disk full'); }, strike: () => {} };
    const { scope } = scopeWith({}, { journal: refusing });
    expect(() => scope.owe('process', 'one')).to.throw('disk full');
    expect(() => scope.defer('two', () => {})).to.throw('disk full');
  });

  it('accounts for what is gone although the journal refuses to strike it', async () => {
    let full = false;
    const fail = (): void => { if (full) throw new Error('disk full'); };
    const { scope, faults } = scopeWith({ process: recording([]) }, { journal: { journal: fail, strike: fail } });
    const owed = scope.owe('process', 'one');
    full = true;
    owed.learn({ pid: 1 });
    expect((await scope.release()).clean).to.equal(true);
    expect(faults).to.have.length(2);
  });
});
