// Lists runs by call, caller, outcome, state and time. Takes time proportional to the listed runs, not to the stored
// ones.

import type Database from 'libsql';
import { type Outcome, outcomes, type RunRecord, type RunState } from '../../../protocol/run-record.ts';
import { timeBlockBits } from './schema.ts';

export interface RunListQuery {
  readonly limit: number;
  /** Only runs older than this one. */
  readonly before?: string;
  readonly state?: RunState;
  readonly call?: string;
  readonly caller?: string;
  readonly outcome?: Outcome;
  /** Only runs queued at this time or later (RFC 3339 in UTC with milliseconds, as in records). */
  readonly since?: string;
  /** Only runs queued before this time. */
  readonly until?: string;
}

/** Numbers of runs, both ends included. */
interface NumberRange {
  readonly from: number;
  readonly to: number;
}

type Value = string | number;

interface Condition {
  readonly sql: string;
  readonly values: readonly Value[];
}

interface NumberedRun {
  readonly number: number;
  readonly record: string;
}

/** Returns a function that returns records, newest first. */
export function prepareList(db: Database.Database): (query: RunListQuery) => readonly RunRecord[] {
  const statements = new Map<string, Database.Statement>();
  const all = (sql: string, values: readonly Value[]): unknown[] => {
    let statement = statements.get(sql);
    if (statement === undefined) statements.set(sql, (statement = db.prepare(sql)));
    return statement.all(...values);
  };
  return (query) => {
    const to = lastNumber(query, all);
    const found: NumberedRun[] = [];
    for (const range of to < 0 ? [] : findRanges(query, all)) {
      const last = Math.min(range.to, to);
      if (found.length < query.limit && range.from <= last)
        found.push(...readRange({ ...query, limit: query.limit - found.length }, { from: range.from, to: last }, all));
    }
    return found.map(({ record }) => JSON.parse(record) as RunRecord);
  };
}

type Query = (sql: string, values: readonly Value[]) => unknown[];

/** Returns the largest number that a listed run may have; -1 if there is none. */
function lastNumber({ before }: RunListQuery, all: Query): number {
  if (before === undefined) return Number.MAX_SAFE_INTEGER;
  const [row] = all('SELECT number FROM runs WHERE id = ?', [before]) as { number: number }[];
  return row === undefined ? -1 : row.number - 1;
}

/** Returns ranges that contain every run of the requested time, newest first. */
function findRanges({ since, until }: RunListQuery, all: Query): readonly NumberRange[] {
  if (since === undefined && until === undefined) return [{ from: 0, to: Number.MAX_SAFE_INTEGER }];
  const rows = all('SELECT block FROM run_times WHERE last >= ? AND first < ? ORDER BY block DESC', [
    since ?? '',
    until ?? '~',
  ]) as { block: number }[];
  const ranges: { from: number; to: number }[] = [];
  for (const { block } of rows) {
    const from = block * 2 ** timeBlockBits;
    const newest = ranges.at(-1);
    if (newest?.from === from + 2 ** timeBlockBits) newest.from = from;
    else ranges.push({ from, to: from + 2 ** timeBlockBits - 1 });
  }
  return ranges;
}

function readRange(query: RunListQuery, range: NumberRange, all: Query): readonly NumberedRun[] {
  const { limit, state, call, caller, outcome } = query;
  const common = [within(range), ...timeConditions(query)];
  const who = [...equals('call', call), ...equals('caller', caller)];
  const select = (conditions: readonly Condition[], from = 'runs'): NumberedRun[] =>
    all(
      `SELECT number, record FROM ${from} WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}
       ORDER BY number DESC LIMIT ?`,
      [...conditions.flatMap(({ values }) => values), limit],
    ) as NumberedRun[];
  const selectActive = (): NumberedRun[] => select([...common, ...who, ...activeConditions(state)], activeRuns);
  if (who.length === 0 && outcome === undefined)
    return state === undefined || state === 'ended' ? select([...common, ...endedConditions(state)]) : selectActive();
  const found = outcome === undefined && state !== 'ended' ? selectActive() : [];
  // Each query reads one range of an index, in the order of the numbers.
  if (state === undefined || state === 'ended')
    for (const one of outcome === undefined ? outcomes : [outcome])
      found.push(...select([...common, ...who, endedCondition, ...equals('outcome', one)]));
  return found.sort((a, b) => b.number - a.number).slice(0, limit);
}

/** Without `INDEXED BY`, the query planner would scan all runs. */
const activeRuns = 'runs INDEXED BY runs_active';

const endedCondition: Condition = { sql: "state = 'ended'", values: [] };

function within({ from, to }: NumberRange): Condition {
  return { sql: 'number BETWEEN ? AND ?', values: [from, to] };
}

function equals(column: string, value: Value | undefined): readonly Condition[] {
  return value === undefined ? [] : [{ sql: `${column} = ?`, values: [value] }];
}

function timeConditions({ since, until }: RunListQuery): readonly Condition[] {
  return [
    ...(since === undefined ? [] : [{ sql: 'queued >= ?', values: [since] }]),
    ...(until === undefined ? [] : [{ sql: 'queued < ?', values: [until] }]),
  ];
}

function endedConditions(state: RunState | undefined): readonly Condition[] {
  return state === 'ended' ? [endedCondition] : [];
}

function activeConditions(state: RunState | undefined): readonly Condition[] {
  return [{ sql: "state <> 'ended'", values: [] }, ...equals('state', state)];
}
