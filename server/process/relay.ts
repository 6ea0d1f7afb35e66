// Carries what the work writes into the log, and makes the work wait while the disk is behind.

import type { Output, OutputStream } from '../../calls/contract/ports.ts';

export interface Source {
  pause(): unknown;
  resume(): unknown;
}

export interface Relay {
  /** Passes a chunk on as it came. */
  take(stream: OutputStream, chunk: Uint8Array): void;
  /** All that was passed on so far. */
  readonly bytes: number;
  /** True while the sources are paused for the disk: their silence says nothing then. */
  readonly held: boolean;
  /** When the sources were last let go (performance.now()). */
  readonly freeFrom: number;
}

export function createRelay(output: Output, sources: readonly Source[]): Relay {
  let held = false;
  let bytes = 0;
  let freeFrom = 0;
  const hold = async (): Promise<void> => {
    held = true;
    for (const source of sources) source.pause();
    // A log that cannot be written any more tells the run, not us: what comes is passed on all the same.
    await output.drained().catch(() => {});
    held = false;
    freeFrom = performance.now();
    for (const source of sources) source.resume();
  };
  return {
    take(stream, chunk) {
      bytes += chunk.byteLength;
      output.write(stream, chunk);
      if (output.full && !held) void hold();
    },
    get bytes() { return bytes; },
    get held() { return held; },
    get freeFrom() { return freeFrom; },
  };
}
