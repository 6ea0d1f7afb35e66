// Encodes headers of a tar archive in GNU format. Names are arbitrary bytes, whereas tar-stream only writes UTF-8 and
// would change other names.

export interface Header {
  readonly kind: 'file' | 'folder' | 'link';
  /** Name in bytes, without a trailing slash. */
  readonly name: Buffer;
  readonly mode: number;
  /** Time of modification, in seconds since 1970. */
  readonly mtime: number;
  /** Size of the content that follows, for files. */
  readonly size: number;
  /** Target of a link, as bytes. */
  readonly target?: Buffer;
}

const blockBytes = 512;
const flags = { file: '0', link: '2', folder: '5', longTarget: 'K', longName: 'L' } as const;

/** Returns the header: one block, or more if the name or target does not fit. Owner and group are 0. */
export function encodeHeader({ kind, name, mode, mtime, size, target = Buffer.alloc(0) }: Header): Buffer {
  const full = kind === 'folder' ? Buffer.concat([name, Buffer.from('/')]) : name;
  return Buffer.concat([
    ...(target.length > fields.target.bytes ? longNameBlocks(flags.longTarget, target) : []),
    ...(full.length > fields.name.bytes ? longNameBlocks(flags.longName, full) : []),
    headerBlock({
      flag: flags[kind],
      name: full,
      mode: mode & 0o7777,
      mtime: Math.max(0, Math.floor(mtime)),
      size,
      target,
    }),
  ]);
}

/** Returns the zeros that fill the last block of a content of `size` bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

export const endOfArchive: Uint8Array = Buffer.alloc(2 * blockBytes);

function longNameBlocks(flag: string, text: Buffer): readonly Buffer[] {
  const size = text.length + 1;
  const header = headerBlock({
    flag,
    name: Buffer.from('././@LongLink'),
    mode: 0o644,
    mtime: 0,
    size,
    target: Buffer.alloc(0),
  });
  return [header, text, Buffer.alloc(1), padding(size)];
}

const fields = {
  name: { at: 0, bytes: 100 },
  mode: { at: 100, bytes: 8 },
  uid: { at: 108, bytes: 8 },
  gid: { at: 116, bytes: 8 },
  size: { at: 124, bytes: 12 },
  mtime: { at: 136, bytes: 12 },
  checksum: { at: 148, bytes: 8 },
  flag: { at: 156, bytes: 1 },
  target: { at: 157, bytes: 100 },
  magic: { at: 257, bytes: 8 },
} as const;

type Field = (typeof fields)[keyof typeof fields];

interface HeaderFields {
  readonly flag: string;
  readonly name: Buffer;
  readonly mode: number;
  readonly mtime: number;
  readonly size: number;
  readonly target: Buffer;
}

function headerBlock({ flag, name, mode, mtime, size, target }: HeaderFields): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  name.copy(bytes, fields.name.at, 0, fields.name.bytes);
  target.copy(bytes, fields.target.at, 0, fields.target.bytes);
  writeNumber(bytes, fields.mode, mode);
  writeNumber(bytes, fields.uid, 0);
  writeNumber(bytes, fields.gid, 0);
  writeNumber(bytes, fields.size, size);
  writeNumber(bytes, fields.mtime, mtime);
  bytes.write(flag, fields.flag.at, 'latin1');
  bytes.write('ustar  \0', fields.magic.at, 'latin1');
  // The checksum is computed with its own field filled with spaces.
  bytes.fill(' ', fields.checksum.at, fields.checksum.at + fields.checksum.bytes);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, fields.checksum.at, 'latin1');
  return bytes;
}

/** Writes octal digits and a zero byte. Writes larger values in base 256, which the first bit marks. */
function writeNumber(bytes: Buffer, { at, bytes: length }: Field, value: number): void {
  const digits = value.toString(8).padStart(length - 1, '0');
  if (digits.length < length) bytes.write(`${digits}\0`, at, 'latin1');
  else {
    bytes[at] = 0x80;
    bytes.writeBigUInt64BE(BigInt(value), at + length - 8);
  }
}
