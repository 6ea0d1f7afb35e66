// A websocket client that is nothing but a TCP socket: it sends any bytes, and hears exactly what came.

import { connect, type Socket } from 'node:net';
import { encodeFrame, FrameParser, type Frame } from './frames.ts';
import { inbox } from './inbox.ts';

export interface RawClient {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly socket: Socket;
  write(...pieces: readonly Uint8Array[]): void;
  text(text: string): void;
  control(message: object): void;
  /** The next frame; undefined when the server has ended the connection. Throws for a frame that no server may send. */
  next(): Promise<Frame | undefined>;
  /** Everything until the server ends the connection. */
  rest(): Promise<Frame[]>;
  /** What came in place of frames, when the upgrade was refused; resolves when the server has ended the connection. */
  readonly body: Promise<string>;
  readonly closed: Promise<void>;
}

export interface RawOptions {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly path?: string;
  readonly method?: string;
  /** Sent right behind the handshake, in the same packet. */
  readonly early?: Uint8Array;
}

const usual = {
  'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** The bytes of a handshake; a header given as undefined is left out. */
export function handshake(host: string, { headers = {}, path = '/api/v1/ws', method = 'GET' }: RawOptions = {}): string {
  const all = Object.entries({ Host: host, ...usual, ...headers }).filter(([, value]) => value !== undefined);
  return [`${method} ${path} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
}

/** Connects to `url` (any scheme; host and port count) and resolves when the handshake is answered. */
export async function rawClient(url: string, options: RawOptions = {}): Promise<RawClient> {
  const { hostname, port, host } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const answered = readHead(socket);
  socket.write(Buffer.concat([Buffer.from(handshake(host, options)), options.early ?? Buffer.alloc(0)]));
  const { head, rest } = await answered;
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  return status === 101 ? upgraded(socket, { head, rest }) : refused(socket, { head, rest, status });
}

interface Answered {
  readonly head: string;
  readonly rest: Buffer;
}

function readHead(socket: Socket): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const ended = (): void => reject(new Error(`the server ended the connection after ${JSON.stringify(bytes.toString('latin1'))}`));
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

function upgraded(socket: Socket, { head, rest }: Answered): RawClient {
  const parser = new FrameParser();
  const frames = inbox<Frame | Error>();
  const take = (piece: Buffer): void => {
    try {
      for (const frame of parser.push(piece)) frames.put(frame);
    } catch (error) {
      frames.put(error as Error);
      socket.destroy();
    }
  };
  const next = async (): Promise<Frame | undefined> => {
    const frame = await frames.get();
    if (frame instanceof Error) throw frame;
    return frame;
  };
  socket.on('data', take).on('close', frames.end).on('error', () => {});
  if (rest.length > 0) take(rest);
  socket.resume();
  return {
    status: 101, head, socket, next, body: Promise.resolve(''),
    ...speaking(socket),
    async rest() {
      const heard: Frame[] = [];
      for (let frame = await next(); frame !== undefined; frame = await next()) heard.push(frame);
      return heard;
    },
  };
}

function refused(socket: Socket, { head, rest, status }: Answered & { status: number }): RawClient {
  const pieces = [rest];
  const body = new Promise<string>((resolve) => {
    socket.on('data', (piece) => pieces.push(piece)).on('error', () => {}).on('close', () => resolve(Buffer.concat(pieces).toString()));
  });
  socket.resume();
  return { status, head, socket, body, next: async () => undefined, rest: async () => [], ...speaking(socket) };
}

function speaking(socket: Socket): Pick<RawClient, 'write' | 'text' | 'control' | 'closed'> {
  const write = (...pieces: readonly Uint8Array[]): void => void socket.write(Buffer.concat(pieces));
  return {
    write,
    text: (text) => write(encodeFrame('text', text)),
    control: (message) => write(encodeFrame('binary', JSON.stringify(message))),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
  };
}
