// A mistake in the configuration, and where it stands.

export interface Problem {
  /** As it was named to the loader. */
  readonly file: string;
  /** From 1; 0 when the mistake is about the file as a whole. */
  readonly line: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number;
  /** Such as `calls.greet.params[0].schema`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** The text of the line. */
  readonly source: string;
}

/** By position; mistakes in the same place keep their order. */
export function byPosition(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
}
