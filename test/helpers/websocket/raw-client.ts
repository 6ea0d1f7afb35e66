// A websocket client on a plain TCP socket: sends any bytes and returns exactly what arrives.

import { connect, type Socket } from 'node:net';
import { createAsyncQueue } from '../async-queue.ts';
import { encodeFrame, type Frame, FrameParser } from './raw-frames.ts';

export interface RawClient {
  readonly status: number;
  /** Status line and headers of the response. */
  readonly head: string;
  readonly socket: Socket;
  write(...pieces: readonly Uint8Array[]): void;
  sendText(text: string): void;
  sendControl(message: object): void;
  /**
   * Returns the next frame; undefined at the end of the connection. Rejects for a frame that a server must not send.
   */
  next(): Promise<Frame | undefined>;
  /** Returns all frames up to the end of the connection. */
  readToEnd(): Promise<Frame[]>;
  /** Response body of a rejected upgrade. Resolves at the end of the connection. */
  readonly body: Promise<string>;
  readonly closed: Promise<void>;
}

export interface RawClientOptions {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly path?: string;
  readonly method?: string;
  /** Bytes to send in the same packet as the handshake, right after it. */
  readonly early?: Uint8Array;
}

const defaultHeaders = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** Returns the request head of a handshake. Omits a header with the value undefined. */
export function handshake(
  host: string,
  { headers = {}, path = '/api/v1/ws', method = 'GET' }: RawClientOptions = {},
): string {
  const all = Object.entries({ Host: host, ...defaultHeaders, ...headers }).filter(([, value]) => value !== undefined);
  return [`${method} ${path} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
}

/** Connects to the host and port of `url`. Resolves with the response to the handshake. */
export async function connectRawClient(url: string, options: RawClientOptions = {}): Promise<RawClient> {
  const { hostname, port, host } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const answered = readHead(socket);
  socket.write(Buffer.concat([Buffer.from(handshake(host, options)), options.early ?? Buffer.alloc(0)]));
  const { head, rest } = await answered;
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  return status === 101
    ? createUpgradedClient(socket, { head, rest })
    : createRejectedClient(socket, { head, rest, status });
}

interface ResponseHead {
  readonly head: string;
  readonly rest: Buffer;
}

function readHead(socket: Socket): Promise<ResponseHead> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const ended = (): void =>
      reject(new Error(`the server ended the connection after ${JSON.stringify(bytes.toString('latin1'))}`));
    const heard = (piece: Buffer): void => {
      bytes = Buffer.concat([bytes, piece]);
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', heard).off('close', ended).off('error', reject);
      socket.pause();
      resolve({ head: bytes.subarray(0, end + 4).toString('latin1'), rest: bytes.subarray(end + 4) });
    };
    socket.on('data', heard).on('close', ended).on('error', reject);
  });
}

function createUpgradedClient(socket: Socket, { head, rest }: ResponseHead): RawClient {
  const parser = new FrameParser();
  const frames = createAsyncQueue<Frame | Error>();
  const take = (piece: Buffer): void => {
    try {
      for (const frame of parser.push(piece)) frames.push(frame);
    } catch (error) {
      frames.push(error as Error);
      socket.destroy();
    }
  };
  const next = async (): Promise<Frame | undefined> => {
    const frame = await frames.next();
    if (frame instanceof Error) throw frame;
    return frame;
  };
  socket
    .on('data', take)
    .on('close', frames.end)
    .on('error', () => {});
  if (rest.length > 0) take(rest);
  socket.resume();
  return {
    status: 101,
    head,
    socket,
    next,
    body: Promise.resolve(''),
    ...createSenders(socket),
    async readToEnd() {
      const heard: Frame[] = [];
      for (let frame = await next(); frame !== undefined; frame = await next()) heard.push(frame);
      return heard;
    },
  };
}

function createRejectedClient(socket: Socket, { head, rest, status }: ResponseHead & { status: number }): RawClient {
  const pieces = [rest];
  const body = new Promise<string>((resolve) => {
    socket
      .on('data', (piece) => pieces.push(piece))
      .on('error', () => {})
      .on('close', () => resolve(Buffer.concat(pieces).toString()));
  });
  socket.resume();
  return {
    status,
    head,
    socket,
    body,
    next: async () => undefined,
    readToEnd: async () => [],
    ...createSenders(socket),
  };
}

function createSenders(socket: Socket): Pick<RawClient, 'write' | 'sendText' | 'sendControl' | 'closed'> {
  const write = (...pieces: readonly Uint8Array[]): void => void socket.write(Buffer.concat(pieces));
  return {
    write,
    sendText: (text) => write(encodeFrame('text', text)),
    sendControl: (message) => write(encodeFrame('binary', JSON.stringify(message))),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
  };
}
