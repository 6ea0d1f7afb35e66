// The header of one entry of a tar archive, in the GNU form: the names of files are bytes, and this one takes them as they are. (tar-stream writes names
// as UTF-8 only, so a name that is not would come out as another one.)

export interface Header {
  readonly kind: 'file' | 'folder' | 'link';
  /** Bytes; without a slash at its end. */
  readonly name: Buffer;
  readonly mode: number;
  /** Seconds. */
  readonly mtime: number;
  /** Bytes of content that follow, of a file. */
  readonly size: number;
  /** Where a link leads, bytes. */
  readonly target?: Buffer;
}

const blockBytes = 512;
const flags = { file: '0', link: '2', folder: '5', longTarget: 'K', longName: 'L' } as const;

/** One block, or more where name or target are longer than a block has room for. Owner and group are 0. */
export function encodeHeader({ kind, name, mode, mtime, size, target = Buffer.alloc(0) }: Header): Buffer {
  const full = kind === 'folder' ? Buffer.concat([name, Buffer.from('/')]) : name;
  return Buffer.concat([
    ...(target.length > fields.target.bytes ? long(flags.longTarget, target) : []),
    ...(full.length > fields.name.bytes ? long(flags.longName, full) : []),
    block({ flag: flags[kind], name: full, mode: mode & 0o7777, mtime: Math.max(0, Math.floor(mtime)), size, target }),
  ]);
}

/** Zeros that fill up the last block of `size` bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

export const endOfArchive: Uint8Array = Buffer.alloc(2 * blockBytes);

function long(flag: string, text: Buffer): readonly Buffer[] {
  const size = text.length + 1;
  const header = block({ flag, name: Buffer.from('././@LongLink'), mode: 0o644, mtime: 0, size, target: Buffer.alloc(0) });
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

interface Block {
  readonly flag: string;
  readonly name: Buffer;
  readonly mode: number;
  readonly mtime: number;
  readonly size: number;
  readonly target: Buffer;
}

function block({ flag, name, mode, mtime, size, target }: Block): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  name.copy(bytes, fields.name.at, 0, fields.name.bytes);
  target.copy(bytes, fields.target.at, 0, fields.target.bytes);
  number(bytes, fields.mode, mode);
  number(bytes, fields.uid, 0);
  number(bytes, fields.gid, 0);
  number(bytes, fields.size, size);
  number(bytes, fields.mtime, mtime);
  bytes.write(flag, fields.flag.at, 'latin1');
  bytes.write('ustar  \0', fields.magic.at, 'latin1');
  // Counted as if the checksum itself were spaces.
  bytes.fill(' ', fields.checksum.at, fields.checksum.at + fields.checksum.bytes);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, fields.checksum.at, 'latin1');
  return bytes;
}

/** Octal digits and a zero byte; what they cannot hold is written in base 256, marked by its first bit. */
function number(bytes: Buffer, { at, bytes: length }: Field, value: number): void {
  const digits = value.toString(8).padStart(length - 1, '0');
  if (digits.length < length) bytes.write(`${digits}\0`, at, 'latin1');
  else {
    bytes[at] = 0x80;
    bytes.writeBigUInt64BE(BigInt(value), at + length - 8);
  }
}
