// Opens the two long-lived requests of a container: its streams and the wait for its exit. Before the start of a
// container, open both.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Input, Output, OutputStream } from '../../calls/contract/ports.ts';
import { paceYoungGc } from '../support/gc-pacing.ts';
import type { Connection, DialOptions } from './connect.ts';
import { Demux, type StreamChunk } from './demux.ts';

/** `opening` is aborted when the streams are no longer needed, but only while they are being opened. */
export interface OpeningOptions {
  readonly opening: AbortSignal;
}

/** Opens stdout, stderr and optionally stdin of a container on one socket. Resolves when the socket is open. */
export async function attachStreams(
  engine: Connection,
  id: string,
  { stdin, opening }: OpeningOptions & { readonly stdin: boolean },
): Promise<Socket> {
  // dockerode sends its options as a body, which can become input of the container when it arrives late
  // (dockerode#777).
  const emptyBody = { file: Buffer.alloc(0), headers: { 'Content-Type': 'text/plain' } };
  // dockerode removes the last character of a query, so the path ends in an extra `&`.
  return hijack(engine, {
    path: `/containers/${id}/attach?stream=1&${stdin ? 'stdin=1&' : ''}stdout=1&stderr=1&`,
    ...emptyBody,
    abortSignal: opening,
  });
}

/** Returns the raw socket of a request. Only on the raw socket does end() close just one direction. */
export async function hijack(
  engine: Connection,
  request: Pick<DialOptions, 'path' | 'file' | 'headers' | 'abortSignal'>,
): Promise<Socket> {
  const socket = (await engine.dial({
    ...request,
    method: 'POST',
    hijack: true,
    statusCodes: { 101: true, 200: true, 404: 'no such container', 409: 'not running', 500: 'server error' },
  })) as Socket;
  // The reader handles errors. The listener only prevents an uncaught exception.
  socket.on('error', () => {});
  return socket;
}

export interface ExitWatch {
  /**
   * Resolves with the exit code; rejects if the connection is lost. A caller may ignore the rejection, because it is
   * already handled.
   */
  readonly exitCode: Promise<number>;
  stop(): void;
}

/**
 * Resolves when the engine watches the container. Use the condition `next-exit` before the start of the container. A
 * short-lived container could exit before a later call. Use `not-running` for a container that has started.
 */
export async function watchExit(
  engine: Connection,
  id: string,
  { condition = 'next-exit', opening }: OpeningOptions & { readonly condition?: 'next-exit' | 'not-running' },
): Promise<ExitWatch> {
  const stopping = new AbortController();
  const response = (await engine.dial({
    path: `/containers/${id}/wait?condition=${condition}&`,
    method: 'POST',
    isStream: true,
    abortSignal: AbortSignal.any([stopping.signal, opening]),
    statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
  })) as IncomingMessage;
  const exitCode = readExitCode(response);
  exitCode.catch(() => {});
  return { exitCode, stop: () => stopping.abort() };
}

async function readExitCode(response: IncomingMessage): Promise<number> {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const { StatusCode } = JSON.parse(text) as { StatusCode: number };
  return StatusCode;
}

/** Number of bytes of each stream. */
export type SourceBytes = Readonly<Record<OutputStream, number>>;

/** The beginning of the output, in which an init or the engine may report that a command could not be started. */
export class OutputHead {
  /** Bytes of both streams, in the order of arrival. */
  bytes: Buffer = Buffer.alloc(0);
  hasStdout = false;
  /** Number of bytes that were forwarded. */
  readonly forwarded: Record<OutputStream, number> = { stdout: 0, stderr: 0 };

  add({ stream, bytes }: StreamChunk): void {
    this.forwarded[stream] += bytes.length;
    this.hasStdout ||= stream === 'stdout';
    if (this.bytes.length < headBytesMax) this.bytes = Buffer.concat([this.bytes, bytes.subarray(0, headBytesMax)]);
  }
}

const headBytesMax = 1 << 10;

/** Forwards output to its end. Stops reading while the log is behind, so that the container waits. */
export async function pumpOutput(socket: Socket, output: Output, head: OutputHead): Promise<void> {
  const demux = new Demux();
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    paceYoungGc(chunk.length);
    for (const part of demux.decode(chunk)) {
      head.add(part);
      output.write(part.stream, part.bytes);
    }
    if (output.full) await output.drained();
  }
}

/** Forwards input to its end and then closes stdin. Stops when the container no longer reads. */
export async function pumpInput(input: Input, socket: Socket): Promise<void> {
  const closed = once(socket, 'close').catch(() => {});
  for await (const bytes of input) {
    if (!socket.writable) break;
    // An empty write on a unix socket can block the writes after it.
    if (bytes.length === 0) continue;
    if (!socket.write(bytes)) await Promise.race([waitForDrain(socket), closed]);
    input.taken(bytes.length);
  }
  if (socket.writable) socket.end();
  else input.discard();
}

async function waitForDrain(socket: Socket): Promise<void> {
  if (socket.writableNeedDrain) await new Promise<void>((resolve) => socket.once('drain', resolve));
}
