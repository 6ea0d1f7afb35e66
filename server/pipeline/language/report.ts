// Defines how checks report diagnostics, and converts the positions of diagnostics to lines and columns.

import { type IndexedText, toLocation } from '../../yaml/location.ts';
import type { TextRange } from '../../yaml/value-tree.ts';
import type { DiagnosticCode, PipelineDiagnostic } from './diagnostic.ts';
import { diagnosticsMax } from './limits.ts';

/** A diagnostic whose position is a range of offsets in the text. */
export interface RangedDiagnostic {
  readonly message: string;
  readonly at: TextRange;
  readonly code: DiagnosticCode;
  /** Default: `error`. */
  readonly severity?: 'error' | 'warning';
  readonly job?: string | undefined;
  readonly field?: string | undefined;
  /** True if the text is valid, but the operator does not permit what it requests. */
  readonly notPermitted?: true;
  /**
   * If this is a function, it is called only for diagnostics that are kept, because finding the nearest name takes
   * time.
   */
  readonly suggestions?: readonly string[] | (() => readonly string[]);
}

export type Report = (diagnostic: RangedDiagnostic) => void;

/**
 * Returns diagnostics in file order, each once. Duplicates arise because a value that aliases or merge keys repeat is
 * read once per repetition. Beyond `diagnosticsMax`, keeps errors before warnings, and adds a diagnostic that counts
 * the rest.
 */
export function toDiagnostics(
  ranged: readonly RangedDiagnostic[],
  indexed: IndexedText,
): readonly PipelineDiagnostic[] {
  const distinct = new Map(ranged.toReversed().map((one) => [`${one.at.start} ${one.message}`, one]));
  const inOrder = [...distinct.values()].toReversed().sort((a, b) => a.at.start - b.at.start);
  if (inOrder.length <= diagnosticsMax) return inOrder.map((diagnostic) => toDiagnostic(diagnostic, indexed));
  const errors = inOrder.filter(isError);
  const kept = new Set([...errors, ...inOrder.filter((diagnostic) => !isError(diagnostic))].slice(0, diagnosticsMax));
  const omitted = inOrder.filter((diagnostic) => !kept.has(diagnostic));
  const rest: RangedDiagnostic = {
    code: 'INVALID_CONFIG',
    severity: omitted.some(isError) ? 'error' : 'warning',
    message: `and ${omitted.length} more`,
    at: omitted[0]!.at,
  };
  return [...kept, rest].sort((a, b) => a.at.start - b.at.start).map((diagnostic) => toDiagnostic(diagnostic, indexed));
}

/** True if the text itself is invalid. */
export function isInvalid(diagnostic: RangedDiagnostic): boolean {
  return isError(diagnostic) && diagnostic.notPermitted !== true;
}

function isError({ severity = 'error' }: RangedDiagnostic): boolean {
  return severity === 'error';
}

function toDiagnostic(
  { message, at, code, severity = 'error', job, field, suggestions = [] }: RangedDiagnostic,
  indexed: IndexedText,
): PipelineDiagnostic {
  return {
    code,
    message,
    severity,
    ...(job !== undefined && { job }),
    ...(field !== undefined && { field }),
    ...toLocation(at, indexed),
    suggestions: typeof suggestions === 'function' ? suggestions() : suggestions,
  };
}
