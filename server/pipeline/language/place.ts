// A place in a pipeline file.

/** Where something stands in the file; lines and columns are counted from 1, columns and `length` in characters (UTF-16 units). */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}
