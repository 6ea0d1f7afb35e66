// Reads the input of a run as the bytes of an archive, with back-pressure.

import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Input } from '../../../calls/contract/ports.ts';
import { createBase64Decoder } from '../../archive/base64-lines.ts';

export interface ArchiveInputOptions {
  readonly encoding: 'base64' | 'binary';
  readonly signal: AbortSignal;
}

/**
 * Yields the bytes of the archive until the input ends. Throws ArchiveError for invalid base64. Throws WorkFailed if
 * the run stops first, because the archive is then incomplete.
 */
export async function* readArchiveInput(
  input: Input,
  { encoding, signal }: ArchiveInputOptions,
): AsyncGenerator<Uint8Array> {
  const text = encoding === 'base64' ? createBase64Decoder() : undefined;
  for await (const piece of input) {
    if (signal.aborted) break;
    const bytes = text === undefined ? piece : text.add(piece);
    if (bytes.length > 0) yield bytes;
    // Acknowledge after the yield: the consumer requests the next piece when it has used this one.
    input.taken(piece.length);
  }
  if (signal.aborted) throw uploadStopped();
  const rest = text?.end();
  if (rest !== undefined && rest.length > 0) yield rest;
}

export function uploadStopped(): WorkFailed {
  return new WorkFailed('the run was stopped before all files had arrived');
}
