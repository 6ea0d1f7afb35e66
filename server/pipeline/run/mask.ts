// Keeps secrets out of what is told: wherever one of them stands, `***` stands instead.

import type { Output } from '../../../calls/contract/ports.ts';

export interface Mask {
  text(text: string): string;
  /** The same output, masked, whichever way chunks are cut. What may be the beginning of a secret is held back until more comes, or the stream ends. */
  output(output: Output): Output;
}

/** `values`: each as a whole, and each of its lines of at least 4 characters. */
export function createMask(values: readonly string[]): Mask {
  throw new Error(`to be written: ${values.length}`);
}
