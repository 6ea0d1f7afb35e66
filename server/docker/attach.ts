// The two long requests of a container: its streams, and its end. Both have to be open before it is started.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Input, Output } from '../../calls/contract/ports.ts';
import { turnOver } from '../support/turnover.ts';
import type { Connection, DialOptions } from './connect.ts';
import { Demux } from './demux.ts';

/** Stdout and stderr of a container, and stdin when it is wanted, on one socket; open when this resolves. */
export async function attach(engine: Connection, id: string, { stdin }: { readonly stdin: boolean }): Promise<Socket> {
  // dockerode sends its options as a body, which becomes input of the container when it arrives late (dockerode#777).
  const nothing = { file: Buffer.alloc(0), headers: { 'Content-Type': 'text/plain' } };
  // The dialler takes the last character off a query, so it gets one to spare.
  return hijack(engine, { path: `/containers/${id}/attach?stream=1&${stdin ? 'stdin=1&' : ''}stdout=1&stderr=1&`, ...nothing });
}

/** The raw socket behind a request: only on that does end() close one direction. */
export async function hijack(engine: Connection, request: Pick<DialOptions, 'path' | 'file' | 'headers'>): Promise<Socket> {
  const socket = (await engine.dial({
    ...request, method: 'POST', hijack: true,
    statusCodes: { 101: true, 200: true, 404: 'no such container', 409: 'not running', 500: 'server error' },
  })) as Socket;
  // What goes wrong on it is seen by whoever reads; the listener only keeps it from being thrown at everybody.
  socket.on('error', () => {});
  return socket;
}

export interface ExitWatch {
  /** The exit code when the container ends; rejects when the engine breaks off. Handled already: it may be dropped. */
  readonly exitCode: Promise<number>;
  stop(): void;
}

/** Resolves when the engine has begun to watch, which is before the container ends if it was not started before. */
export async function watchExit(engine: Connection, id: string): Promise<ExitWatch> {
  const stopping = new AbortController();
  const answer = (await engine.dial({
    path: `/containers/${id}/wait?condition=next-exit&`,
    method: 'POST',
    isStream: true,
    abortSignal: stopping.signal,
    statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
  })) as IncomingMessage;
  const exitCode = readExit(answer);
  exitCode.catch(() => {});
  return { exitCode, stop: () => stopping.abort() };
}

async function readExit(answer: IncomingMessage): Promise<number> {
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  const { StatusCode } = JSON.parse(text) as { StatusCode: number };
  return StatusCode;
}

/** Passes output on until there is no more. The container waits while the log is behind. */
export async function pumpOutput(socket: Socket, output: Pick<Output, 'write' | 'full' | 'drained'>): Promise<void> {
  const demux = new Demux();
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    turnOver(chunk.length);
    for (const { stream, bytes } of demux.pieces(chunk)) output.write(stream, bytes);
    if (output.full) await output.drained();
  }
}

/** Passes input on until it ends, then tells the container so; stops when the container reads no more. */
export async function pumpInput(input: Input, socket: Socket): Promise<void> {
  const closed = once(socket, 'close').catch(() => {});
  for await (const bytes of input) {
    if (!socket.writable) break;
    // An empty write on a unix socket can block what follows it.
    if (bytes.length === 0) continue;
    if (!socket.write(bytes)) await Promise.race([drain(socket), closed]);
    input.taken(bytes.length);
  }
  if (socket.writable) socket.end();
  else input.discard();
}

async function drain(socket: Socket): Promise<void> {
  if (socket.writableNeedDrain) await new Promise<void>((resolve) => socket.once('drain', resolve));
}
