// An archive on its way to the engine: read no faster than the engine takes it, and let go of whatever happens.

import { Readable } from 'node:stream';
import type { Archive } from '../../calls/contract/containers.ts';

export interface Sent {
  readonly body: Readable;
  /** Throws what the archive itself threw while it was read: that is not the engine's fault. */
  blame(): void;
  /** Reads no more of it. Safe twice. */
  drop(): void;
}

export function sent(archive: Archive): Sent {
  const pieces = archive[Symbol.asyncIterator]();
  let begun = false;
  let fault: { readonly error: unknown } | undefined;
  const body = new Readable({
    read() {
      begun = true;
      pieces.next().then(({ done, value }) => this.push(done === true ? null : value), (error: unknown) => {
        fault ??= { error };
        this.destroy(new Error('the archive broke off'));
      });
    },
    destroy(error, done) {
      void letGo().finally(() => done(error));
    },
  });
  async function letGo(): Promise<void> {
    try {
      // A generator that has not begun ends without a word to what it would have read from.
      if (!begun) await pieces.next();
      await pieces.return?.();
    } catch {
      // It is not wanted any more, whatever it has to say.
    }
  }
  // Whoever sends it hears of it by the request; the listener only keeps it from being thrown at everybody.
  body.on('error', () => {});
  return {
    body,
    blame: () => { if (fault !== undefined) throw fault.error; },
    drop: () => void body.destroy(),
  };
}
