import { expect } from 'chai';
import { planRetention, type Kept, type Plan, type Rules, type Segment } from '../../server/runs/retention-plan.ts';
import { chance, pick, type Chance } from './kit.ts';

const now = 1_000_000;
const none = { ageMs: Infinity, runs: Infinity, bytes: Infinity };

function run(id: string, more: Partial<Kept> & { readonly bytes?: number } = {}): Kept {
  const { bytes = 10, ...facts } = more;
  return { id, call: 'a', endedMs: now - 50, owing: false, segments: [{ number: 0, bytes, modifiedMs: now - 50 }], ...facts };
}

function growing(id: string, segments: readonly Segment[]): Kept {
  return { id, call: 'a', owing: true, segments };
}

function segments(...modified: readonly number[]): readonly Segment[] {
  return modified.map((modifiedMs, number) => ({ number, bytes: 10, modifiedMs }));
}

function plan(kept: readonly Kept[], overall: Partial<Rules['overall']>, of: Rules['of'] = () => undefined): Plan {
  return planRetention(kept, { overall: { ...none, ...overall }, of }, now);
}

describe('what retention removes', () => {
  it('is nothing while all bounds are kept', () => {
    expect(plan([run('1'), run('2')], { ageMs: 50, runs: 2, bytes: 20 })).to.deep.equal({ forget: [], drop: [] });
  });

  it('is every run that ended longer ago than the age', () => {
    expect(plan([run('1', { endedMs: now - 101 }), run('2', { endedMs: now - 100 })], { ageMs: 100 }).forget).to.deep.equal(['1']);
  });

  it('is the first runs that are too many', () => {
    expect(plan([run('1'), run('2'), run('3')], { runs: 1 }).forget).to.deep.equal(['1', '2']);
  });

  it('is no run that goes on, and none that owes something', () => {
    const kept = [run('1', { owing: true, endedMs: 0 }), run('2', { endedMs: 0 }), growing('3', segments(0))];
    expect(plan(kept, { ageMs: 1, runs: 0, bytes: 0 })).to.deep.equal({ forget: ['2'], drop: [] });
  });

  it('is the oldest output while it is too much, of runs that go on as well, but never what is being written', () => {
    const kept = [run('1', { segments: segments(10, 40, 60) }), growing('2', segments(20, 30, 35))];
    expect(plan(kept, { bytes: 50 })).to.deep.equal({ forget: [], drop: [{ id: '1', below: 1 }] });
    expect(plan(kept, { bytes: 30 })).to.deep.equal({ forget: [], drop: [{ id: '1', below: 1 }, { id: '2', below: 2 }] });
    expect(plan(kept, { bytes: 0 })).to.deep.equal({ forget: ['1'], drop: [{ id: '2', below: 2 }] });
  });

  it('is a run as a whole when its last output goes', () => {
    expect(plan([run('1', { bytes: 10 }), run('2', { bytes: 10, segments: segments(now) })], { bytes: 10 })).to.deep.equal({ forget: ['1'], drop: [] });
  });

  it('is a run whose jobs made too much, counted with its output, and gone with it', () => {
    const kept = [run('1', { artifactBytes: 100, segments: segments(10, 20) }), run('2', { artifactBytes: 30, segments: segments(40) }), run('3', { segments: segments(50) })];
    expect(plan(kept, { bytes: 170 })).to.deep.equal({ forget: [], drop: [] });
    expect(plan(kept, { bytes: 169 })).to.deep.equal({ forget: [], drop: [{ id: '1', below: 1 }] });
    expect(plan(kept, { bytes: 159 })).to.deep.equal({ forget: ['1'], drop: [] });
    expect(plan(kept, { bytes: 50 })).to.deep.equal({ forget: ['1'], drop: [] });
    expect(plan(kept, { bytes: 49 })).to.deep.equal({ forget: ['1', '2'], drop: [] });
  });

  it('is a run that has printed nothing, when its jobs made too much; and none that has nothing at all', () => {
    const kept = [run('0', { segments: [] }), run('1', { artifactBytes: 100, segments: [], endedMs: 30 }), run('2', { segments: segments(20) })];
    expect(plan(kept, { bytes: 109 })).to.deep.equal({ forget: ['2'], drop: [] });
    expect(plan(kept, { bytes: 99 })).to.deep.equal({ forget: ['2', '1'], drop: [] });
    const held = [run('1', { artifactBytes: 100, segments: [], owing: true }), { ...growing('2', []), artifactBytes: 100 }, run('3')];
    expect(plan(held, { bytes: 100 })).to.deep.equal({ forget: ['3'], drop: [] });
  });

  it('is output in its order, although the clock was set back', () => {
    expect(plan([run('1', { segments: segments(90, 10, 20) }), run('2', { segments: segments(95) })], { bytes: 20 }).drop).to.deep.equal([{ id: '1', below: 2 }]);
  });

  it('is decided for each call, and then for all', () => {
    const kept = ['a', 'b', 'a', 'b', 'a'].map((call, at) => run(String(at), { call }));
    const of: Rules['of'] = (call) => (call === 'a' ? { runs: 1 } : undefined);
    expect(plan(kept, {}, of).forget).to.deep.equal(['0', '2']);
    expect(plan(kept, { runs: 2 }, of).forget).to.have.members(['0', '2', '1']);
    expect(plan(kept, {}, (call) => (call === 'b' ? { ageMs: 10, bytes: 5 } : undefined)).forget).to.have.members(['1', '3']);
    expect(plan(kept, {}, (call) => (call === 'b' ? { bytes: 10 } : undefined)).forget).to.deep.equal(['1']);
  });

  it('keeps every bound that it can, and removes nothing that it need not', () => {
    for (let seed = 1; seed <= 500; seed++) check(seed);
  });
});

function check(seed: number): void {
  const rnd = chance(seed);
  const kept = someRuns(rnd);
  const overall = { ageMs: rnd(200), runs: rnd(12), bytes: rnd(400) };
  const { forget, drop } = plan(kept, overall);
  const left = kept.filter(({ id }) => !forget.includes(id)).map((one) => {
    const below = drop.find(({ id }) => id === one.id)?.below ?? 0;
    return { ...one, segments: one.segments.filter(({ number }) => number >= below) };
  });
  const why = `seed ${seed}`;
  const free = left.filter(({ endedMs, owing }) => endedMs !== undefined && !owing);
  expect(kept.filter(({ id, owing, endedMs }) => forget.includes(id) && (owing || endedMs === undefined)), why).to.deep.equal([]);
  expect(free.filter(({ endedMs = now }) => now - endedMs > overall.ageMs), why).to.deep.equal([]);
  if (left.filter(({ endedMs }) => endedMs !== undefined).length > overall.runs) expect(free, why).to.deep.equal([]);
  const bytes = (runs: readonly Kept[]): number => runs.flatMap((one) => one.segments).reduce((sum, one) => sum + one.bytes, 0);
  for (const one of left) expect(one.segments.length === 0 && kept.find(({ id }) => id === one.id)!.segments.length > 0, why).to.equal(false);
  if (bytes(left) > overall.bytes) {
    expect(free.filter(({ segments: some }) => some.length > 0), why).to.deep.equal([]);
    expect(left.filter(({ segments: some }) => some.length > 1), why).to.deep.equal([]);
  }
  const removable = { ageMs: Infinity, runs: Infinity, bytes: bytes(kept) };
  expect(plan(kept, removable), why).to.deep.equal({ forget: [], drop: [] });
}

function someRuns(rnd: Chance): readonly Kept[] {
  const ended = Array.from({ length: rnd(12) }, (_, at) => run(`e${at}`, {
    endedMs: now - rnd(300), owing: rnd(5) === 0, call: pick(rnd, ['a', 'b']), segments: segments(...Array.from({ length: rnd(4) }, () => rnd(1000))),
  })).sort((a, b) => a.endedMs! - b.endedMs!);
  const live = Array.from({ length: rnd(4) }, (_, at) => growing(`g${at}`, segments(...Array.from({ length: 1 + rnd(4) }, () => rnd(1000)))));
  return [...ended, ...live];
}
