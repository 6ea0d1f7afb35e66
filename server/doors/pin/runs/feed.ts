// The files that came with a trigger, on their way into the run: as fast as it takes them, once it is its turn.

import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Run } from '../../../runs/run.ts';
import { deferred, type Deferred } from '../../../support/deferred.ts';

/** Waiting in the run's input at once; less than its bound. */
const aheadBytesMax = 256 << 10;
const pieceBytes = 64 << 10;

/** Resolves when the run has all of it, or is over. The file is removed then. Rejects when the file cannot be read; the run is stopped. */
export async function feed(run: Run, file: string, inputBytesMax: number): Promise<void> {
  let taken = 0;
  let moved: Deferred<void> = deferred();
  const move = (): void => {
    moved.resolve();
    moved = deferred();
  };
  const hold = run.takeInput({ taken: (total) => { taken = total; move(); }, lost: move, overflow: () => run.stop('protocol') });
  let over = false;
  void run.ended.then(() => { over = true; move(); });
  const ahead = Math.min(aheadBytesMax, inputBytesMax);
  try {
    let sent = hold.received;
    for await (const piece of createReadStream(file, { highWaterMark: Math.min(pieceBytes, ahead) }) as AsyncIterable<Buffer>) {
      while (!over && sent > taken && sent - taken + piece.length > ahead) await moved.promise;
      if (over) break;
      hold.push(piece);
      sent += piece.length;
    }
  } catch (error) {
    run.stop('protocol', 'cancelled: the files that came with it cannot be read');
    throw error;
  } finally {
    hold.end();
    await rm(file, { force: true });
  }
}
