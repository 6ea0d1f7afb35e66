// Reads the output of a child process into one buffer again and again: without that, each 64 KiB are an allocation of their own.

import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Readable } from 'node:stream';
import { turnOver } from '../support/turnover.ts';

/** A read is passed on before the next one begins, whoever reads, so one buffer is enough for all. */
const room = Buffer.allocUnsafeSlow(64 << 10);

/**
 * `take` is given what the child writes into its pipe; the bytes are good until it returns. Gives the stream to be paused, resumed and destroyed in
 * place of the child's own. To be called before the event loop goes on after the child was started.
 */
export function readInPlace(pipe: Readable, take: (chunk: Uint8Array) => void): Readable {
  const owner = pipe as { _handle?: unknown };
  const handle = owner._handle;
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return readByEvents(pipe, take);
  // Node reads into a buffer of ours when a socket is made, but child_process makes its sockets itself: so the pipe changes hands.
  owner._handle = null;
  const onread = { buffer: room, callback: (bytes: number) => { take(room.subarray(0, bytes)); return true; } };
  const options: SocketConstructorOpts & { handle: unknown; onread: object } = { handle, readable: true, writable: false, onread };
  return new Socket(options).resume();
}

function readByEvents(pipe: Readable, take: (chunk: Uint8Array) => void): Readable {
  return pipe.on('data', (chunk: Uint8Array) => {
    turnOver(chunk.length);
    take(chunk);
  });
}
