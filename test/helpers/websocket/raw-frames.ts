// Encodes client frames, valid or not, and parses server frames strictly by RFC 6455.

import { isUtf8 } from 'node:buffer';

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export type Opcode = keyof typeof opcodes;

export interface FrameOptions {
  /** False if more fragments of the message follow. */
  readonly fin?: boolean;
  /** False for a frame without a mask, which is an error: clients must mask. */
  readonly masked?: boolean;
}

/** Encodes a client frame. */
export function encodeFrame(
  opcode: Opcode,
  payload: Uint8Array | string = '',
  { fin = true, masked = true }: FrameOptions = {},
): Buffer {
  const bytes = Buffer.from(payload as string);
  const length =
    bytes.length < 126 ? Buffer.of(bytes.length) : bytes.length < 0x10000 ? Buffer.alloc(3, 126) : Buffer.alloc(9, 127);
  if (length.length === 3) length.writeUInt16BE(bytes.length, 1);
  if (length.length === 9) length.writeBigUInt64BE(BigInt(bytes.length), 1);
  const first = Buffer.of((fin ? 0x80 : 0) | opcodes[opcode]);
  if (!masked) return Buffer.concat([first, length, bytes]);
  length[0] = length[0]! | 0x80;
  const mask = Buffer.of(0x5a, 0xc3, 0x0f, 0x96);
  for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i]! ^ mask[i & 3]!;
  return Buffer.concat([first, length, mask, bytes]);
}

export function encodeClose(code?: number): Buffer {
  if (code === undefined) return encodeFrame('close');
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return encodeFrame('close', payload);
}

export interface Frame {
  readonly opcode: Opcode;
  readonly payload: Buffer;
}

const opcodeNames = Object.fromEntries(Object.entries(opcodes).map(([name, code]) => [code, name])) as Readonly<
  Record<number, Opcode>
>;

/** Parses server frames from chunks of any size. Throws at the first byte that a server must not send. */
export class FrameParser {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #needed = 2;
  #closed = false;

  push(piece: Buffer): Frame[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    const frames: Frame[] = [];
    if (this.#bytes < this.#needed) return frames;
    let rest = Buffer.concat(this.#pieces);
    for (let size = this.#frameSize(rest); size !== undefined && rest.length >= size; size = this.#frameSize(rest)) {
      frames.push(this.#read(rest.subarray(0, size)));
      rest = rest.subarray(size);
    }
    this.#pieces = [rest];
    this.#bytes = rest.length;
    return frames;
  }

  /** True between two frames. */
  get empty(): boolean {
    return this.#bytes === 0;
  }

  #frameSize(bytes: Buffer): number | undefined {
    this.#needed = 2;
    if (bytes.length < 2) return undefined;
    const short = bytes[1]!;
    this.#needed = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < this.#needed) return undefined;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    assertProtocol(length >= (short === 126 ? 126 : short === 127 ? 0x10000 : 0), 'the shortest form of a length');
    assertProtocol((short & 0x80) === 0, 'no mask from a server');
    const head = this.#needed;
    this.#needed = head + length;
    return head + length;
  }

  #read(bytes: Buffer): Frame {
    const [first = 0, short = 0] = bytes;
    const opcode = opcodeNames[first & 0x0f];
    assertProtocol(!this.#closed, 'nothing after Close');
    assertProtocol((first & 0xf0) === 0x80, 'a whole message without reserved bits');
    assertProtocol(opcode !== undefined && opcode !== 'continuation', 'a known opcode');
    const payload = bytes.subarray(short === 126 ? 4 : short === 127 ? 10 : 2);
    assertProtocol(opcode === 'text' || opcode === 'binary' || payload.length < 126, 'short control frames');
    assertProtocol(opcode !== 'text' || isUtf8(payload), 'valid UTF-8 in text');
    if (opcode === 'close') this.#readClose(payload);
    return { opcode: opcode!, payload };
  }

  #readClose(payload: Buffer): void {
    this.#closed = true;
    assertProtocol(payload.length !== 1, 'a whole close code');
    const code = payload.length === 0 ? 1000 : payload.readUInt16BE(0);
    assertProtocol(
      code >= 1000 && code < 5000 && ![1004, 1005, 1006, 1015].includes(code),
      `a close code that may be sent, not ${code}`,
    );
  }
}

function assertProtocol(fulfilled: boolean, what: string): void {
  if (!fulfilled) throw new Error(`the server broke the protocol; expected: ${what}`);
}
