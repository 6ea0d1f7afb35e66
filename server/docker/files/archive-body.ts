// Sends an archive as a request body. Reads the archive only as fast as the engine reads the body, and always closes
// it.

import { Readable } from 'node:stream';
import type { Archive } from '../../../calls/contract/containers.ts';

export interface ArchiveBody {
  readonly body: Readable;
  /** Throws the error of the archive itself, if there is one, because then the engine is not at fault. */
  rethrowArchiveError(): void;
  /** Stops reading the archive. Idempotent. */
  cancel(): void;
}

export function archiveBody(archive: Archive): ArchiveBody {
  const iterator = archive[Symbol.asyncIterator]();
  let started = false;
  let fault: { readonly error: unknown } | undefined;
  const body = new Readable({
    read() {
      started = true;
      iterator.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => {
          fault ??= { error };
          this.destroy(new Error('reading the archive failed'));
        },
      );
    },
    destroy(error, done) {
      void endArchive().finally(() => done(error));
    },
  });
  async function endArchive(): Promise<void> {
    try {
      // Start the generator first: otherwise `return` runs none of its code, and the generator does not close its
      // source.
      if (!started) await iterator.next();
      await iterator.return?.();
    } catch {
      // The archive is no longer needed, so its error does not matter.
    }
  }
  // The request that sends the body fails with this error. The listener only prevents an uncaught exception.
  body.on('error', () => {});
  return {
    body,
    rethrowArchiveError: () => {
      if (fault !== undefined) throw fault.error;
    },
    cancel: () => void body.destroy(),
  };
}
