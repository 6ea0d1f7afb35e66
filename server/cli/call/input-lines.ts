// Splits stdin into lines of text: `\n` ends a line, invalid UTF-8 becomes U+FFFD, and the length of a line is limited.

const newline = 0x0a;

export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/**
 * Yields the lines of `chunks`. The last line needs no terminator. Throws LineTooLong as soon as a line exceeds
 * `lineBytesMax` bytes.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<readonly string[]> {
  let partialLine: Uint8Array[] = [];
  let partialLineBytes = 0;
  let count = 0;
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(newline) + 1;
    if (end > 0) {
      const lines = decode([...partialLine, chunk.subarray(0, end - 1)]).split('\n');
      partialLine = [];
      partialLineBytes = 0;
      for (const line of lines) checkLength(line, ++count, lineBytesMax);
      yield lines;
    }
    if (end < chunk.length) partialLine.push(chunk.subarray(end));
    partialLineBytes += chunk.length - end;
    if (partialLineBytes > lineBytesMax) throw lineTooLong(count + 1, lineBytesMax);
  }
  if (partialLineBytes > 0) yield [decode(partialLine)];
}

function decode(parts: readonly Uint8Array[]): string {
  const single = parts.length === 1 ? parts[0] : undefined;
  // `Buffer.toString` is the fastest decoder of Node, and it keeps a byte order mark.
  return (
    single === undefined ? Buffer.concat(parts) : Buffer.from(single.buffer, single.byteOffset, single.byteLength)
  ).toString('utf8');
}

function checkLength(line: string, number: number, lineBytesMax: number): void {
  // A UTF-16 unit takes at most three bytes, so most lines need no count.
  if (line.length * 3 > lineBytesMax && Buffer.byteLength(line) > lineBytesMax) throw lineTooLong(number, lineBytesMax);
}

function lineTooLong(number: number, lineBytesMax: number): LineTooLong {
  return new LineTooLong(
    `line ${number} of the input is longer than ${lineBytesMax} bytes, the gateway's limit for a line`,
  );
}
