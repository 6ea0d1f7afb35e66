// Sends the uploaded files of a trigger to the input of the run, at the speed at which the run reads.

import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Run } from '../../../runs/run.ts';
import { type Deferred, deferred } from '../../../support/deferred.ts';

/**
 * Maximum number of bytes in the input that the run has not read. If the limit of the input is smaller, that limit
 * applies.
 */
const aheadBytesMax = 256 << 10;
const pieceBytes = 64 << 10;

/**
 * Resolves when the run has received everything or has ended, and removes the file. Stops the run and rejects if the
 * file cannot be read.
 */
export async function sendUpload(run: Run, file: string, inputBytesMax: number): Promise<void> {
  let taken = 0;
  let progress: Deferred<void> = deferred();
  const onProgress = (): void => {
    progress.resolve();
    progress = deferred();
  };
  const inputLease = run.acquireInput({
    taken: (total) => {
      taken = total;
      onProgress();
    },
    superseded: onProgress,
    overflowed: () => run.stop('protocol'),
  });
  let hasEnded = false;
  void run.ended.then(() => {
    hasEnded = true;
    onProgress();
  });
  const ahead = Math.min(aheadBytesMax, inputBytesMax);
  try {
    let sent = inputLease.received;
    for await (const piece of createReadStream(file, {
      highWaterMark: Math.min(pieceBytes, ahead),
    }) as AsyncIterable<Buffer>) {
      while (!hasEnded && sent > taken && sent - taken + piece.length > ahead) await progress.promise;
      if (hasEnded) break;
      inputLease.push(piece);
      sent += piece.length;
    }
  } catch (error) {
    run.stop('protocol', 'cancelled: the uploaded files cannot be read');
    throw error;
  } finally {
    inputLease.end();
    await rm(file, { force: true });
  }
}
