// The input of a run as bytes of an archive, taken no faster than they are used.

import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Input } from '../../../calls/contract/ports.ts';
import { fromBase64 } from '../../support/archive/base64.ts';

export interface Reception {
  readonly encoding: 'base64' | 'binary';
  readonly signal: AbortSignal;
}

/** Ends with the input. Throws ArchiveError for what is no base64, and WorkFailed when the run is to stop: what has come by then is not all. */
export async function* received(input: Input, { encoding, signal }: Reception): AsyncGenerator<Uint8Array> {
  const text = encoding === 'base64' ? fromBase64() : undefined;
  for await (const piece of input) {
    if (signal.aborted) break;
    const bytes = text === undefined ? piece : text.add(piece);
    if (bytes.length > 0) yield bytes;
    // Only now: whoever asks for more has done with what it had.
    input.taken(piece.length);
  }
  if (signal.aborted) throw stopped();
  const rest = text?.end();
  if (rest !== undefined && rest.length > 0) yield rest;
}

export function stopped(): WorkFailed {
  return new WorkFailed('the run was stopped before all files had come');
}
