// Tests the filters of the list of runs against a simple model.

import { expect } from 'chai';
import { outcomes, type RunRecord, type RunState } from '../../../protocol/run-record.ts';
import type { RunListQuery } from '../../../server/runs/store/list-runs.ts';
import { openStore } from '../../../server/runs/store/store.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { createRandomInteger } from '../../helpers/seeded-random.ts';

type RandomInteger = (below: number) => number;

const pick = <T>(random: RandomInteger, from: readonly T[]): T => from[random(from.length)]!;
const time = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

function randomRecord(at: number, random: RandomInteger): RunRecord {
  const state = pick<RunState>(random, ['ended', 'ended', 'ended', 'running', 'queued']);
  return {
    id: `run-${at}`,
    call: pick(random, ['a', 'b']),
    params: [],
    caller: pick(random, ['', 'ada', 'bob']),
    node: 'n',
    state,
    ...(state === 'ended' && { outcome: pick(random, outcomes) }),
    // The wall clock of the machine sometimes jumps.
    queuedAt: time(Math.floor(at / 10) + (random(20) === 0 ? random(500) : 0)),
    lines: 0,
    bytes: 0,
  };
}

function randomQuery(random: RandomInteger, count: number): RunListQuery {
  const maybe = <T>(value: T): T | undefined => (random(2) === 0 ? undefined : value);
  const query = {
    limit: 1 + random(50),
    before: maybe(`run-${random(count)}`),
    state: random(4) === 0 ? pick<RunState>(random, ['ended', 'running', 'queued']) : undefined,
    call: maybe(pick(random, ['a', 'b', 'c'])),
    caller: maybe(pick(random, ['', 'ada', 'bob'])),
    outcome: maybe(pick(random, outcomes)),
    since: maybe(time(random(300))),
    until: maybe(time(random(300))),
  };
  return Object.fromEntries(
    Object.entries(query).filter(([, value]) => value !== undefined),
  ) as unknown as RunListQuery;
}

function expected(records: readonly RunRecord[], query: RunListQuery): readonly string[] {
  const { limit, before, since = '', until = '~' } = query;
  const end = before === undefined ? records.length : records.findIndex(({ id }) => id === before);
  const fits = (record: RunRecord): boolean =>
    (['state', 'call', 'caller', 'outcome'] as const).every(
      (name) => query[name] === undefined || query[name] === record[name],
    ) &&
    record.queuedAt >= since &&
    record.queuedAt < until;
  return records
    .slice(0, end)
    .filter(fits)
    .reverse()
    .slice(0, limit)
    .map(({ id }) => id);
}

describe('the list of runs', () => {
  for (const seed of [1, 2, 3])
    it(`S11: the list has exactly the runs that satisfy every filter, newest first (seed ${seed})`, () =>
      withTempFolder(async (folder) => {
        const random = createRandomInteger(seed);
        const store = openStore(folder);
        const records = Array.from({ length: 2_500 }, (_, at) => randomRecord(at, random));
        await Promise.all(records.map((record) => store.insertBatched(record, {} as never)));
        for (let round = 0; round < 200; round++) {
          const query = randomQuery(random, records.length);
          expect(
            store.list(query).map(({ id }) => id),
            JSON.stringify(query),
          ).to.deep.equal(expected(records, query));
        }
        store.close();
      }));
});
