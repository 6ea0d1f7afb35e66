// Tests how the command line splits stdin into lines.

import { expect } from 'chai';
import { LineTooLong, readLines } from '../../server/cli/call/input-lines.ts';

describe('lines of stdin', () => {
  const rows: readonly (readonly [what: string, chunks: readonly string[], lines: readonly string[]])[] = [
    ['end at each newline', ['one\ntwo\n'], ['one', 'two']],
    ['may be empty', ['\n\na\n'], ['', '', 'a']],
    ['need no newline at the end of the input', ['one\ntwo'], ['one', 'two']],
    ['continue across chunks', ['o', 'n', 'e\ntw', 'o\n'], ['one', 'two']],
    ['keep a carriage return', ['one\r\n'], ['one\r']],
    ['are absent if stdin is empty', [], []],
  ];
  for (const [what, chunks, lines] of rows) {
    it(`lines of stdin ${what}`, async () => {
      expect(await all(chunks.map((chunk) => Buffer.from(chunk)))).to.deep.equal(lines);
    });
  }

  it('lines of stdin keep characters that are split between chunks', async () => {
    const bytes = Buffer.from('a😀é\nb');
    const single = [...bytes].map((byte) => Buffer.from([byte]));
    expect(await all(single)).to.deep.equal(['a😀é', 'b']);
  });

  it('lines of stdin show invalid bytes as U+FFFD and lose no newline', async () => {
    expect(await all([Buffer.from([0xff, 0x61, 0x0a, 0xf0, 0x9f, 0x0a, 0x62])])).to.deep.equal([
      '\ufffda',
      '\ufffd',
      'b',
    ]);
  });

  it('lines of stdin keep a byte order mark and NUL', async () => {
    expect(await all([Buffer.from('\ufeffa\0\n')])).to.deep.equal(['\ufeffa\0']);
  });

  it('lines of stdin have a limit, and the error has the number of the line', async () => {
    expect(await failure(['ok\n12345678901\n'])).to.match(/^line 2 .*longer than 10 bytes/);
    expect(await failure(['ok\nééé\néééééé\n'])).to.match(/^line 3 /);
    expect(await all([Buffer.from('1234567890\nééééé\n')], 10)).to.have.length(2);
  });

  it('an endless line of stdin is rejected as soon as it exceeds the limit', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 1;
        yield Buffer.alloc(4);
      }
    }
    let error: unknown;
    try {
      for await (const _ of readLines(endless(), 10));
    } catch (caught) {
      error = caught;
    }
    expect(error).to.be.instanceOf(LineTooLong);
    expect(given).to.equal(3);
  });
});

async function all(chunks: readonly Uint8Array[], lineBytesMax = 1_000): Promise<string[]> {
  const lines: string[] = [];
  for await (const some of readLines(stream(chunks), lineBytesMax)) lines.push(...some);
  return lines;
}

async function failure(chunks: readonly string[]): Promise<string> {
  return all(
    chunks.map((chunk) => Buffer.from(chunk)),
    10,
  ).then(
    () => 'no failure',
    (error: unknown) => (error as Error).message,
  );
}

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
