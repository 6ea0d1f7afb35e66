// Forwards the output of processes to the log, and pauses its sources while the disk is behind.

import type { Output, OutputStream } from '../../calls/contract/ports.ts';

export interface PausableSource {
  pause(): unknown;
  resume(): unknown;
}

export interface OutputRelay {
  /** Forwards a chunk unchanged. */
  forward(stream: OutputStream, chunk: Uint8Array): void;
  /** Number of bytes forwarded so far. */
  readonly bytes: number;
  /**
   * True while the sources are paused because the disk is behind. A paused source delivers nothing even if it has
   * output.
   */
  readonly paused: boolean;
  /** When the sources were last resumed (performance.now()). */
  readonly resumedAt: number;
}

export function createOutputRelay(output: Output, sources: readonly PausableSource[]): OutputRelay {
  let isPaused = false;
  let bytes = 0;
  let lastResumedAt = 0;
  const pauseUntilDrained = async (): Promise<void> => {
    isPaused = true;
    for (const source of sources) source.pause();
    // Ignore the error and keep forwarding: the run handles errors of its log.
    await output.drained().catch(() => {});
    isPaused = false;
    lastResumedAt = performance.now();
    for (const source of sources) source.resume();
  };
  return {
    forward(stream, chunk) {
      bytes += chunk.byteLength;
      output.write(stream, chunk);
      if (output.full && !isPaused) void pauseUntilDrained();
    },
    get bytes() {
      return bytes;
    },
    get paused() {
      return isPaused;
    },
    get resumedAt() {
      return lastResumedAt;
    },
  };
}
