// Standard input, output and error of a process, as pipes. A program can open a pipe by its name (/dev/stderr), which
// it cannot do with the sockets of child_process.

import type { ChildProcess } from 'node:child_process';
import { closeSync, fchownSync, fstatSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import { paceYoungGc } from '../../support/gc-pacing.ts';
import { readFdTarget } from '../procfs/procfs.ts';
import type { Libc } from './libc.ts';

type OnChunk = (chunk: Uint8Array) => void;

export interface ProcessPipes {
  readonly stdin: Writable;
  /** Standard input, output and error as /proc shows them: `pipe:[123]` or `socket:[123]`. */
  readonly files: readonly string[];
  /**
   * Calls `onChunk` with each chunk of the stream; the bytes are valid until `onChunk` returns. Returns the stream to
   * pause, resume and destroy. Call this once, in the same event-loop turn as the start.
   */
  read(stream: OutputStream, onChunk: OnChunk): Readable;
}

export interface OpenPipes {
  readonly pipes: ProcessPipes;
  /** Descriptors for standard input, output and error of the process. */
  readonly childFds: readonly [number, number, number];
  /** Closes `childFds` in the gateway. Call this after the start of the process. */
  closeChildEnds(): void;
  /** Closes the gateway's ends. Call this instead of using `pipes`, if the process could not be started. */
  closeGatewayEnds(): void;
}

/** The buffer of all pipes: each read is forwarded before the next one begins. */
const sharedBuffer = Buffer.allocUnsafeSlow(64 << 10);

/**
 * Opens three pipes. They belong to the user `owner`, because the kernel checks the owner when a program opens
 * /dev/stderr. Throws a SystemError.
 */
export function openPipes(libc: Pick<Libc, 'openPipe'>, owner: number | undefined): OpenPipes {
  const fds: number[] = [];
  try {
    for (let count = 0; count < 3; count += 1) fds.push(...libc.openPipe());
    const [inRead, inWrite, outRead, outWrite, errRead, errWrite] = fds as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const childFds = [inRead, outWrite, errWrite] as const;
    const files = childFds.map((fd) => {
      const { ino, gid } = fstatSync(fd);
      if (owner !== undefined) fchownSync(fd, owner, gid);
      return `pipe:[${ino}]`;
    });
    const gatewayFds = { stdout: outRead, stderr: errRead };
    let stdin: Socket | undefined;
    const pipes: ProcessPipes = {
      get stdin() {
        return (stdin ??= new Socket({ fd: inWrite, readable: false, writable: true }));
      },
      files,
      read: (stream, onChunk) => openReader({ fd: gatewayFds[stream] }, onChunk),
    };
    return {
      pipes,
      childFds,
      closeChildEnds: () => closeAll(childFds),
      closeGatewayEnds: () => closeAll([inWrite, outRead, errRead]),
    };
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}

/** Returns the sockets that child_process has opened for `child`. */
export function takeSockets(child: ChildProcess): ProcessPipes {
  const { pid = 0, stdin, stdout, stderr } = child;
  const streams = { stdout, stderr } as { readonly stdout: Readable; readonly stderr: Readable };
  return {
    stdin: stdin as Writable,
    files: [0, 1, 2].map((fd) => readFdTarget(pid, fd)),
    read: (stream, onChunk) => readSocket(streams[stream], onChunk),
  };
}

function readSocket(socket: Readable, onChunk: OnChunk): Readable {
  const handleOwner = socket as { _handle?: unknown };
  const handle = handleOwner._handle;
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle))
    return readByEvents(socket, onChunk);
  // Node reads into a caller's buffer only if the socket was created for that. child_process creates its own sockets.
  // So move the handle to a new socket.
  handleOwner._handle = null;
  return openReader({ handle }, onChunk);
}

function readByEvents(pipe: Readable, onChunk: OnChunk): Readable {
  return pipe.on('data', (chunk: Uint8Array) => {
    paceYoungGc(chunk.length);
    onChunk(chunk);
  });
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}

function openReader(source: { readonly fd: number } | { readonly handle: object }, onChunk: OnChunk): Readable {
  const onread = {
    buffer: sharedBuffer,
    callback: (bytes: number) => {
      onChunk(sharedBuffer.subarray(0, bytes));
      return true;
    },
  };
  const options: SocketConstructorOpts & { onread: object } = { ...source, readable: true, writable: false, onread };
  return new Socket(options).resume();
}
