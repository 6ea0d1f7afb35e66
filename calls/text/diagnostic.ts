// The one type of diagnostic, for configurations, declared calls and pipelines: what is wrong, and where.

/** Lines and columns count from 1, columns and `length` in UTF-16 units. Line 0: the file as a whole. */
export interface SourceLocation {
  readonly line: number;
  readonly column: number;
  /** Number of faulty characters on the line. At least 1, or 0 for the file as a whole. */
  readonly length: number;
}

export interface Diagnostic extends SourceLocation {
  /** An error rejects the file; a warning does not. */
  readonly severity: 'error' | 'warning';
  /** Machine-readable code, if the language of the file defines one. */
  readonly code?: string;
  readonly message: string;
  /** Keys that lead to the value, such as `calls.greet.params[0].schema`. */
  readonly path?: string;
  /** Job and key of a pipeline, as spelled in its text. */
  readonly job?: string;
  readonly field?: string;
  /** What to do about it, one sentence each. May be empty. */
  readonly suggestions: readonly string[];
}

/** A diagnostic together with its file name and source line, ready to print. */
export interface FileDiagnostic extends Diagnostic {
  /** Name of the file, as the user wrote it. */
  readonly file: string;
  /** The whole line without its terminator. */
  readonly source: string;
}

export type KeyPath = readonly (string | number)[];

/** A diagnostic located by keys. The owner of the text converts it to a `Diagnostic`. */
export interface KeyDiagnostic {
  readonly path: KeyPath;
  /** Whether the key or its value is wrong. Default: the value. */
  readonly at?: 'key' | 'value';
  /** Faulty part of the value. Absent: all of it. */
  readonly text?: string;
  /** Path to show instead of `path`. An unknown key, for example, is shown with the path of its section. */
  readonly section?: KeyPath;
  readonly message: string;
  readonly suggestions?: readonly string[];
}

export function isError({ severity }: Pick<Diagnostic, 'severity'>): boolean {
  return severity === 'error';
}

/** Sorts by position. Diagnostics at the same position keep their order. */
export function byPosition<T extends SourceLocation>(diagnostics: readonly T[]): readonly T[] {
  return [...diagnostics].sort((a, b) => a.line - b.line || a.column - b.column);
}

/** Adds the name of the file and the lines of its text to diagnostics. */
export function inFile(diagnostics: readonly Diagnostic[], file: string, text: string): readonly FileDiagnostic[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  return diagnostics.map((diagnostic) => ({ ...diagnostic, file, source: lines[diagnostic.line - 1] ?? '' }));
}
