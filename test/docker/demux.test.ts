// Tests the decoder of Docker's multiplexed output stream.

import { expect } from 'chai';
import { Demux } from '../../server/docker/demux.ts';

function frame(stream: number, payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

function take(demux: Demux, ...chunks: Buffer[]): string[] {
  return chunks.flatMap((chunk) =>
    [...demux.decode(chunk)].map(({ stream, bytes }) => `${stream}:${bytes.toString('latin1')}`),
  );
}

describe('docker: splitting the output stream', () => {
  it('the demux separates stdout and stderr and keeps the order', () => {
    const chunk = Buffer.concat([frame(1, 'a\n'), frame(2, 'b\n'), frame(1, 'c\n')]);
    expect(take(new Demux(), chunk)).to.deep.equal(['stdout:a\n', 'stderr:b\n', 'stdout:c\n']);
  });

  it('the demux merges successive frames of one stream', () => {
    const chunk = Buffer.concat([
      frame(1, 'one\n'),
      frame(1, ''),
      frame(1, 'two\n'),
      frame(2, ''),
      frame(1, 'three\n'),
    ]);
    expect(take(new Demux(), chunk)).to.deep.equal(['stdout:one\ntwo\nthree\n']);
  });

  it('the demux decodes 7281 frames of one byte in one chunk', () => {
    const chunk = Buffer.concat(Array.from({ length: 7281 }, (_, at) => frame(1, String(at % 10))));
    const [piece, ...more] = [...new Demux().decode(chunk)];
    expect(more).to.deep.equal([]);
    expect(piece?.bytes.length).to.equal(7281);
    expect(piece?.bytes.subarray(0, 12).toString()).to.equal('012345678901');
  });

  it('the demux decodes 3000 alternating frames without loss', () => {
    const chunk = Buffer.concat(Array.from({ length: 3000 }, (_, at) => frame(1 + (at % 2), `${at};`)));
    const pieces = take(new Demux(), chunk);
    expect(pieces).to.deep.equal(
      Array.from({ length: 3000 }, (_, at) => `${at % 2 === 0 ? 'stdout' : 'stderr'}:${at};`),
    );
  });

  it('the demux returns the same bytes wherever the chunks are split', () => {
    const whole = Buffer.concat([
      frame(1, 'first\n'),
      frame(2, 'problem\0\xff'),
      frame(1, 'x'.repeat(300)),
      frame(2, 'y'),
    ]);
    for (let size = 1; size < 40; size += 1) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < whole.length; at += size) chunks.push(Buffer.from(whole.subarray(at, at + size)));
      const pieces = take(new Demux(), ...chunks);
      const of = (stream: string): string =>
        pieces
          .filter((one) => one.startsWith(stream))
          .map((one) => one.slice(7))
          .join('');
      expect(of('stdout'), `chunks of ${size}`).to.equal(`first\n${'x'.repeat(300)}`);
      expect(of('stderr'), `chunks of ${size}`).to.equal(`${Buffer.from('problem\0\xff').toString('latin1')}y`);
    }
  });

  it('the demux rejects a header that Docker never sends', () => {
    expect(() => take(new Demux(), Buffer.from('hello, this is raw'))).to.throw('invalid output stream');
  });
});
