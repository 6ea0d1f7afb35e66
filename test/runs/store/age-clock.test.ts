// Tests the clock by which runs age.

import { expect } from 'chai';
import { AgeClock, type AgeReading } from '../../../server/runs/store/age-clock.ts';
import { machineTime, msSince } from '../../../server/support/machine-time.ts';

describe('the age clock', () => {
  it('P9: the age clock counts the time that the machine is on, across restarts of the gateway', () => {
    let now = { boot: 'a', ms: 1_000 };
    const first = new AgeClock(undefined, () => now);
    now = { boot: 'a', ms: 4_000 };
    const stored = first.read();
    expect(stored.elapsedMs).to.equal(3_000);
    now = { boot: 'a', ms: 9_000 };
    expect(new AgeClock(stored, () => now).elapsedMs).to.equal(8_000);
  });

  it('P9: the age clock counts the time since a restart of the machine, and not the time the machine was off', () => {
    const stored: AgeReading = { elapsedMs: 5_000, at: { boot: 'a', ms: 100_000 } };
    let now = { boot: 'b', ms: 700 };
    const clock = new AgeClock(stored, () => now);
    expect(clock.elapsedMs).to.equal(5_700);
    now = { boot: 'b', ms: 1_700 };
    expect(clock.elapsedMs).to.equal(6_700);
  });

  it('P9: the age clock never runs backwards', () => {
    let now = { boot: 'a', ms: 5_000 };
    const clock = new AgeClock({ elapsedMs: 10, at: { boot: 'a', ms: 9_000 } }, () => now);
    expect(clock.elapsedMs).to.equal(10);
    now = { boot: 'a', ms: 5_500 };
    expect(clock.elapsedMs).to.equal(510);
  });

  it('P9: two times of the machine can be compared only if no restart lies between them', () => {
    expect(msSince(machineTime())).to.be.at.least(0);
    expect(msSince({ boot: 'a', ms: 5 }, { boot: 'a', ms: 7 })).to.equal(2);
    expect(msSince({ boot: 'a', ms: 5 }, { boot: 'b', ms: 7 })).to.equal(undefined);
  });
});
