import { expect } from 'chai';
import { countFrames, encodeLines, encodeMessage } from '../../../server/http/events/encode.ts';
import { frameLines } from '../../../server/runs/log/frames.ts';
import { messagesIn } from './reader.ts';

function linesIn(stream: Uint8Array): readonly string[] {
  return messagesIn(Buffer.from(stream).toString('utf8')).map(({ data }) => JSON.parse(data) as string);
}

describe('lines in an event stream', () => {
  const texts = [
    '', 'plain', 'a "quoted" \\ word', 'tab\tand bell\u0007', 'progress 1%\rprogress 2%', '\r', 'id: 5', 'é€😀', '\u2028\u2029\u0085', '\0', 'x'.repeat(125), 'x'.repeat(126),
    'y'.repeat(70_000), '"'.repeat(70_000), '{"json":[1,"2"]}', ' leading', '\ufeffmark',
  ];

  it('arrive as they are', () => {
    const frames = frameLines(Buffer.from(texts.map((text) => `${text}\n`).join('')));
    // A `\r` at the end of a line belongs to its end.
    expect(linesIn(encodeLines(frames, 1))).to.deep.equal(texts.map((text) => text.replace(/\r$/, '')));
    expect(countFrames(frames)).to.equal(texts.length);
  });

  it('have their number for an id', () => {
    const frames = frameLines(Buffer.from('a\n'.repeat(12)));
    const first = 9_007_199_254_740_980;
    expect(messagesIn(encodeLines(frames, first).toString()).map(({ id }) => id)).to.deep.equal(Array.from({ length: 12 }, (_, at) => String(first + at)));
    expect(encodeLines(frameLines(Buffer.from('a\n')), 1).toString()).to.equal('id: 1\nevent: line\ndata: "a"\n\n');
  });

  it('are written once for all streams of a run', () => {
    const frames = frameLines(Buffer.from('a\nb\n'));
    expect(encodeLines(frames, 5)).to.equal(encodeLines(frames, 5));
  });

  it('grow where JSON needs more room than they have', () => {
    const text = '\u0001'.repeat(5_000);
    expect(linesIn(encodeLines(frameLines(Buffer.from(`${text}\n`.repeat(9))), 1))).to.deep.equal(Array.from({ length: 9 }, () => text));
  });

  it('are none of nothing', () => {
    expect(encodeLines(Buffer.alloc(0), 1)).to.have.length(0);
  });

  it('stand beside messages that leave the cursor where it is', () => {
    expect(encodeMessage('run', '{}')).to.equal('event: run\ndata: {}\n\n');
    expect(encodeMessage('gap', '{}', '7')).to.equal('id: 7\nevent: gap\ndata: {}\n\n');
  });
});
