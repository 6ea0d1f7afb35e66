// Whether what a session was told and what the gateway recorded are the same story, and a true one.

import { isDeepStrictEqual } from 'node:util';
import { outcomes, type Outcome, type RunRecord } from '../../../protocol/record.ts';
import type { Visit } from './visit.ts';

/** Every complaint, in words; none when all is well. `records` are those that carry the visit's tag. */
export function judge(visit: Visit, records: readonly RunRecord[]): string[] {
  const [record] = records;
  const complaints = [
    ...(records.length > 1 ? [`${records.length} runs`] : []),
    ...(record === undefined ? [] : judgeRecord(record, visit)),
    ...judgeResult(visit, record),
  ];
  return complaints.map((complaint) => `${complaint}: ${JSON.stringify({ ...visit, record })}`);
}

function judgeRecord(record: RunRecord, { plan, run }: Visit): string[] {
  const { state, outcome, cleanup, startedAt, endedAt, lines } = record;
  const expected = expectedOutcomes(plan);
  return [
    ...(state === 'ended' && endedAt !== undefined ? [] : ['not ended']),
    // Stopped while it waited for its turn: it was never started, and says so.
    ...(startedAt !== undefined || (outcome === 'cancelled' && lines === 0) ? [] : ['not started']),
    ...(outcome !== undefined && expected.includes(outcome) ? [] : [`outcome ${outcome} and not ${expected.join(' or ')}`]),
    ...(cleanup?.clean === true && cleanup.left.length === 0 ? [] : ['the receipt is not clean']),
    ...(run === undefined || run === record.id ? [] : ['another run than announced']),
  ];
}

function expectedOutcomes({ kind, manner }: Visit['plan']): readonly Outcome[] {
  if (manner.type === 'stay') return outcomes.filter((outcome) => outcome === kind.ends);
  return kind.ends === undefined ? ['cancelled'] : ['cancelled', kind.ends];
}

/** Who left gets a result or none; everybody else gets exactly one, and then Close. */
function judgeResult(visit: Visit, record: RunRecord | undefined): string[] {
  const { results, resultLast, closeCode, left } = visit;
  const [result] = results;
  if (left && results.length === 0) return [];
  if (result === undefined || record === undefined) return [`${results.length} results of ${record === undefined ? 'no run' : 'a run'}`];
  return [
    ...(results.length === 1 && resultLast ? [] : ['the result is not the one last message']),
    ...(left || closeCode === 1000 ? [] : [`close code ${closeCode}`]),
    ...(isDeepStrictEqual(result, expectedResult(visit, record)) ? [] : [`the result is not ${JSON.stringify(expectedResult(visit, record))}`]),
    ...judgeOutput(visit, record),
  ];
}

function expectedResult({ plan, results }: Visit, record: RunRecord): object {
  const { outcome, message, exitCode, signal, lines, bytes, cleanup } = record;
  const success = outcome === 'succeeded';
  const told = { success, ...(message !== undefined && { message }) };
  if (plan.dialect === 'v1') return success ? { success } : told;
  return {
    ...told, status: outcome, next: 1 + (plan.kind.terminal === true ? bytes : lines), cleanup,
    ...(exitCode !== undefined && { exitCode }), ...(signal !== undefined && { signal }),
    ...(success && plan.kind.name === 'code-value' && { value: results[0]?.['value'] === 42 ? 42 : 'missing' }),
  };
}

function judgeOutput({ plan, texts, textBytes, states }: Visit, { lines, bytes }: RunRecord): string[] {
  if (plan.kind.terminal === true) return plan.dialect === 'v1' || textBytes === bytes ? [] : [`${textBytes} bytes of ${bytes}`];
  const ends = states.filter((state) => state === 'ended').length;
  return [
    ...(texts === lines ? [] : [`${texts} lines of ${lines}`]),
    ...(plan.dialect === 'v1' || (ends === 1 && states.at(-1) === 'ended') ? [] : [`the states ${states.join()}`]),
  ];
}
