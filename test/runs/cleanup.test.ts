// Tests the cleanup scope of a run: the journal, the order of releases, and the receipt.

import { expect } from 'chai';
import type { ObligationEntry, Releaser } from '../../calls/contract/ports.ts';
import { CleanupScope, type CleanupScopeDeps, type Releasers, receiptLine } from '../../server/runs/cleanup.ts';
import { deferred } from '../../server/support/deferred.ts';

/** Creates a scope whose journal is a map and whose faults are recorded. */
function createScope(releasers: Releasers, more: Partial<CleanupScopeDeps> = {}) {
  const journal = new Map<string, ObligationEntry>();
  const faults: unknown[] = [];
  const events: object[] = [];
  const forceStop = new AbortController();
  const scope = new CleanupScope({
    run: 'r',
    releasers,
    stop: { signal: 'SIGTERM', graceMs: 20 },
    forceStop,
    releaseMs: 5_000,
    onFault: (error) => faults.push(error),
    events: { emit: (type, facts) => void events.push({ type, ...facts }) },
    journal: {
      saveObligation: (entry) => void journal.set(entry.id, entry),
      updateObligation: (entry) => void journal.set(entry.id, entry),
      deleteObligation: ({ id }) => void journal.delete(id),
    },
    ...more,
  });
  return { scope, journal, faults, events, forceStop };
}

function recordingReleaser(released: string[]): Releaser {
  return async ({ id }) => {
    await Promise.resolve();
    released.push(id);
    return { how: 'SIGTERM' };
  };
}

describe('the cleanup scope', () => {
  it('the scope journals obligations, releases them last in first out, and returns a receipt', async () => {
    const released: string[] = [];
    const { scope, journal } = createScope({
      process: recordingReleaser(released),
      container: recordingReleaser(released),
    });
    scope.openObligation('process', 'one', { a: 1 });
    scope.openObligation('container', 'two');
    scope.defer('three', () => void released.push('three'));
    expect([...journal.keys()]).to.deep.equal(['one', 'two', 'deferred-1']);
    const receipt = await scope.release();
    expect(released).to.deep.equal(['three', 'two', 'one']);
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind, id, how }) => `${kind} ${id} ${how}`)).to.deep.equal([
      'deferred three done',
      'container two SIGTERM',
      'process one SIGTERM',
    ]);
    expect(journal.size).to.equal(0);
  });

  it('the scope releases each obligation once, even if release is called repeatedly', async () => {
    const released: string[] = [];
    const { scope } = createScope({ process: recordingReleaser(released) });
    const obligation = scope.openObligation('process', 'one');
    expect(obligation.release()).to.equal(obligation.release());
    const receipts = await Promise.all([scope.release(), scope.stopWork(), scope.release(), obligation.release()]);
    expect(released).to.deep.equal(['one']);
    expect(await obligation.released).to.deep.equal(await obligation.release());
    expect(receipts[0]).to.deep.equal(receipts[2]);
    expect((await scope.release()).released).to.have.length(1);
  });

  it('missing output is emitted as an event and added to the receipt, before and after the release', async () => {
    const { scope, journal, events } = createScope({
      process: recordingReleaser([]),
      container: async () => ({ left: 'no answer' }),
    });
    const [one, two] = [scope.openObligation('process', 'one'), scope.openObligation('container', 'two')];
    two.reportOutputCut({ reason: 'engine' });
    await one.release();
    one.reportOutputCut({ reason: 'held', afterMs: 5 });
    expect(events).to.deep.equal([
      { type: 'output-lost', container: 'two' },
      { type: 'output-cut', reason: 'held', afterMs: 5 },
    ]);
    const { released, left } = await scope.release();
    expect(released[0]?.outputCut).to.deep.equal({ reason: 'held', afterMs: 5 });
    expect(left[0]?.outputCut).to.deep.equal({ reason: 'engine' });
    // The next gateway completes the receipt from the journal.
    expect([...journal.values()].map(receiptLine)).to.deep.equal([
      { kind: 'container', id: 'two', outputCut: { reason: 'engine' } },
    ]);
  });

  it('stopWork releases what engines have opened and keeps deferred work for the end of the body', async () => {
    const released: string[] = [];
    const { scope } = createScope({ process: recordingReleaser(released) });
    scope.openObligation('process', 'one');
    scope.defer('cleanup', () => void released.push('cleanup'));
    scope.openObligation('process', 'two');
    await scope.stopWork();
    expect(released).to.deep.equal(['two', 'one']);
    await scope.release();
    expect(released).to.deep.equal(['two', 'one', 'cleanup']);
  });

  it('L8: stopWork releases final obligations only if it is called with the argument end', async () => {
    const released: string[] = [];
    const { scope } = createScope({ process: recordingReleaser(released) });
    scope.openFinalObligation('process', 'files of all jobs');
    scope.openObligation('process', 'job');
    scope.openFinalObligation('process', 'job that runs in any case');
    scope.defer('cleanup', () => void released.push('cleanup'));
    await scope.stopWork();
    expect(released).to.deep.equal(['job']);
    await scope.stopWork('end');
    expect(released).to.deep.equal(['job', 'job that runs in any case', 'files of all jobs']);
    await scope.release();
    expect(released.at(-1)).to.equal('cleanup');
  });

  it('the scope also releases obligations that are opened during the release', async () => {
    const released: string[] = [];
    const { scope } = createScope({ process: recordingReleaser(released) });
    scope.openObligation('process', 'one');
    scope.defer('opens another', () => void scope.openObligation('process', 'late'));
    expect((await scope.release()).released.map(({ id }) => id)).to.deep.equal(['opens another', 'late', 'one']);
  });

  it('the scope gives each release its own time limit and continues with the next one', async () => {
    const released: string[] = [];
    const { scope, journal } = createScope(
      { process: recordingReleaser(released), container: () => new Promise(() => {}) },
      { releaseMs: 30 },
    );
    scope.openObligation('process', 'one');
    scope.openObligation('container', 'stuck');
    const receipt = await scope.release();
    expect(receipt).to.deep.include({
      clean: false,
      left: [{ kind: 'container', id: 'stuck', why: 'not verified to be gone within 50 ms' }],
    });
    expect(released).to.deep.equal(['one']);
    expect([...journal.keys()]).to.deep.equal(['stuck']);
  });

  it('the scope logs the error of a failed release and keeps it out of the receipt', async () => {
    const { scope, journal, faults } = createScope({
      process: () => {
        throw new Error('secret');
      },
    });
    scope.openObligation('process', 'one');
    scope.defer('two', () => Promise.reject(new Error('secret')));
    const receipt = await scope.release();
    expect(JSON.stringify(receipt)).not.to.contain('secret');
    expect(receipt.left.map(({ why }) => why)).to.deep.equal(
      Array(2).fill('release failed; see the log of the gateway'),
    );
    expect(faults.map(String)).to.deep.equal(['Error: secret', 'Error: secret']);
    expect(journal.size).to.equal(2);
  });

  it('the receipt lists obligations without a releaser as left', async () => {
    const { scope } = createScope({});
    scope.openObligation('volume', 'one');
    expect((await scope.release()).left).to.deep.equal([
      { kind: 'volume', id: 'one', why: 'this gateway cannot release a volume' },
    ]);
  });

  it('a releaser receives the stop policy, the force signal, the pending work and updates of its entry', async () => {
    const pendingWork = deferred<void>();
    const seen: string[] = [];
    const { scope, forceStop } = createScope({
      process: async (entry, options) => {
        seen.push(`${options.stop.signal} ${options.force.aborted} ${JSON.stringify(entry.facts)}`);
        await options.pending;
        seen.push(`settled ${options.force.aborted} ${JSON.stringify(entry.facts)}`);
        return { how: 'exited' };
      },
    });
    const obligation = scope.openObligation('process', 'one', { a: 1 });
    obligation.update({ b: 2 });
    obligation.pendingUntil(pendingWork.promise);
    obligation.pendingUntil(Promise.reject(new Error('never began')));
    const released = scope.release();
    forceStop.abort();
    expect(seen).to.deep.equal(['SIGTERM false {"a":1,"b":2}']);
    obligation.update({ b: 3 });
    pendingWork.resolve();
    await released;
    expect(seen[1]).to.equal('settled true {"a":1,"b":3}');
  });

  it('the scope journals updates of open obligations, but none of released ones', async () => {
    const { scope, journal } = createScope({ process: recordingReleaser([]) });
    const obligation = scope.openObligation('process', 'one');
    obligation.update({ pid: 1 });
    expect(journal.get('one')?.facts).to.deep.equal({ pid: 1 });
    await obligation.release();
    obligation.update({ pid: 2 });
    expect(journal.size).to.equal(0);
  });

  it('the scope does not open an obligation that it cannot journal', () => {
    const fullJournal = {
      saveObligation: () => {
        throw new Error('disk full');
      },
      updateObligation: () => {},
      deleteObligation: () => {},
    };
    const { scope } = createScope({}, { journal: fullJournal });
    expect(() => scope.openObligation('process', 'one')).to.throw('disk full');
    expect(() => scope.defer('two', () => {})).to.throw('disk full');
  });

  it('the receipt contains a released obligation even if its journal entry cannot be deleted', async () => {
    const fail = (_entry: unknown, onSettled: (error?: unknown) => void): void => onSettled(new Error('disk full'));
    const { scope, faults } = createScope(
      { process: recordingReleaser([]) },
      { journal: { saveObligation: () => {}, updateObligation: fail, deleteObligation: fail } },
    );
    const obligation = scope.openObligation('process', 'one');
    obligation.update({ pid: 1 });
    expect((await scope.release()).clean).to.equal(true);
    expect(faults).to.have.length(2);
  });
});
