// Checks that what a session received and what the gateway recorded agree.

import { isDeepStrictEqual } from 'node:util';
import { type Outcome, outcomes, type RunRecord } from '../../../protocol/run-record.ts';
import type { SessionResult } from './run-session.ts';

/** Returns the contradictions; empty if there are none. `records` are the run records with the tag of the session. */
export function checkSession(result: SessionResult, records: readonly RunRecord[]): string[] {
  const [record] = records;
  const contradictions = [
    ...(records.length > 1 ? [`${records.length} runs`] : []),
    ...(record === undefined ? [] : checkRecord(record, result)),
    ...checkResult(result, record),
  ];
  return contradictions.map((contradiction) => `${contradiction}: ${JSON.stringify({ ...result, record })}`);
}

function checkRecord(record: RunRecord, { plan, run }: SessionResult): string[] {
  const { state, outcome, cleanup, startedAt, endedAt, lines } = record;
  const expected = expectedOutcomes(plan);
  return [
    ...(state === 'ended' && endedAt !== undefined ? [] : ['not ended']),
    // A run that is cancelled in the queue never starts.
    ...(startedAt !== undefined || (outcome === 'cancelled' && lines === 0) ? [] : ['not started']),
    ...(outcome !== undefined && expected.includes(outcome)
      ? []
      : [`outcome ${outcome} and not ${expected.join(' or ')}`]),
    ...(cleanup?.clean === true && cleanup.left.length === 0 ? [] : ['the receipt is not clean']),
    ...(run === undefined || run === record.id ? [] : ['another run than announced']),
  ];
}

function expectedOutcomes({ kind, ending }: SessionResult['plan']): readonly Outcome[] {
  if (ending.type === 'wait-for-result') return outcomes.filter((outcome) => outcome === kind.endsAs);
  return kind.endsAs === undefined ? ['cancelled'] : ['cancelled', kind.endsAs];
}

/**
 * Checks the results. A client that disconnected has at most one. Every other client has exactly one, followed by
 * Close.
 */
function checkResult(visit: SessionResult, record: RunRecord | undefined): string[] {
  const { results, resultLast, closeCode, disconnected } = visit;
  const [result] = results;
  if (disconnected && results.length === 0) return [];
  if (result === undefined || record === undefined)
    return [`${results.length} results of ${record === undefined ? 'no run' : 'a run'}`];
  return [
    ...(results.length === 1 && resultLast ? [] : ['the result is not the one last message']),
    ...(disconnected || closeCode === 1000 ? [] : [`close code ${closeCode}`]),
    ...(isDeepStrictEqual(result, expectedResult(visit, record))
      ? []
      : [`the result is not ${JSON.stringify(expectedResult(visit, record))}`]),
    ...checkOutput(visit, record),
  ];
}

function expectedResult({ plan, results }: SessionResult, record: RunRecord): object {
  const { outcome, message, exitCode, signal, lines, bytes, cleanup } = record;
  const success = outcome === 'succeeded';
  const common = { success, ...(message !== undefined && { message }) };
  if (plan.dialect === 'v1') return success ? { success } : common;
  return {
    ...common,
    status: outcome,
    next: 1 + (plan.kind.terminal === true ? bytes : lines),
    cleanup,
    ...(exitCode !== undefined && { exitCode }),
    ...(signal !== undefined && { signal }),
    ...(success && plan.kind.name === 'code-value' && { value: results[0]?.['value'] === 42 ? 42 : 'missing' }),
  };
}

function checkOutput({ plan, texts, textBytes, states }: SessionResult, { lines, bytes }: RunRecord): string[] {
  if (plan.kind.terminal === true)
    return plan.dialect === 'v1' || textBytes === bytes ? [] : [`${textBytes} bytes of ${bytes}`];
  const ends = states.filter((state) => state === 'ended').length;
  return [
    ...(texts === lines ? [] : [`${texts} lines of ${lines}`]),
    ...(plan.dialect === 'v1' || (ends === 1 && states.at(-1) === 'ended') ? [] : [`the states ${states.join()}`]),
  ];
}
