// Bytes of stdin to lines of text: every `\n` ends one, broken UTF-8 becomes U+FFFD, and a line has a bound.

const newline = 0x0a;

export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/** The last line needs no terminator. Throws LineTooLong as soon as a line has more than `lineBytesMax` bytes. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, lineBytesMax: number): AsyncGenerator<readonly string[]> {
  let carried: Uint8Array[] = [];
  let carriedBytes = 0;
  let count = 0;
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(newline) + 1;
    if (end > 0) {
      const lines = decode([...carried, chunk.subarray(0, end - 1)]).split('\n');
      carried = [];
      carriedBytes = 0;
      for (const line of lines) checkLength(line, ++count, lineBytesMax);
      yield lines;
    }
    if (end < chunk.length) carried.push(chunk.subarray(end));
    carriedBytes += chunk.length - end;
    if (carriedBytes > lineBytesMax) throw tooLong(count + 1, lineBytesMax);
  }
  if (carriedBytes > 0) yield [decode(carried)];
}

function decode(parts: readonly Uint8Array[]): string {
  const only = parts.length === 1 ? parts[0] : undefined;
  // Of Node's own decoders this one is the fastest, and it keeps a byte order mark.
  return (only === undefined ? Buffer.concat(parts) : Buffer.from(only.buffer, only.byteOffset, only.byteLength)).toString('utf8');
}

function checkLength(line: string, number: number, lineBytesMax: number): void {
  // A UTF-16 unit is at most three bytes; most lines need no counting.
  if (line.length * 3 > lineBytesMax && Buffer.byteLength(line) > lineBytesMax) throw tooLong(number, lineBytesMax);
}

function tooLong(number: number, lineBytesMax: number): LineTooLong {
  return new LineTooLong(`line ${number} of the input is longer than ${lineBytesMax} bytes, which is all the gateway takes in one line`);
}
