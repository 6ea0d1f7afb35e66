// Tests how an event stream encodes lines and messages.

import { expect } from 'chai';
import { encodeLineEvents, encodeMessage } from '../../../server/http/sse/encode.ts';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import { beginning } from '../../../server/runs/log/position.ts';
import { encodeOnce } from '../../../server/runs/views/watcher.ts';
import { messagesIn } from '../../helpers/http/sse-reader.ts';

function decodeLines(stream: Uint8Array): readonly string[] {
  return messagesIn(Buffer.from(stream).toString('utf8')).map(({ data }) => JSON.parse(data) as string);
}

/** Returns an entry with these lines; the first one has number `first`. */
function createEntry(text: string, first = 1): OutputEntry {
  const start = { ...beginning, line: first - 1 };
  const pieces = text === '' ? [] : [Buffer.from(text)];
  return { type: 'lines', start, end: { ...start, line: start.line + text.split('\n').length - 1 }, pieces };
}

describe('the lines of an event stream', () => {
  const texts = [
    '',
    'plain',
    'a "quoted" \\ word',
    'tab\tand bell\u0007',
    'progress 1%\rprogress 2%',
    '\r',
    'id: 5',
    'é€😀',
    '\u2028\u2029\u0085',
    '\0',
    'x'.repeat(125),
    'x'.repeat(126),
    'y'.repeat(70_000),
    '"'.repeat(70_000),
    '{"json":[1,"2"]}',
    ' leading',
    '\ufeffmark',
  ];

  it('lines arrive unchanged in an event stream', () => {
    const entry = createEntry(texts.map((text) => `${text}\n`).join(''));
    // A `\r` at the end of a line is part of its terminator.
    expect(decodeLines(encodeLineEvents(entry))).to.deep.equal(texts.map((text) => text.replace(/\r$/, '')));
  });

  it('the id of a line in an event stream is its number', () => {
    const first = 9_007_199_254_740_980;
    expect(
      messagesIn(encodeLineEvents(createEntry('a\n'.repeat(12), first)).toString()).map(({ id }) => id),
    ).to.deep.equal(Array.from({ length: 12 }, (_, at) => String(first + at)));
    expect(encodeLineEvents(createEntry('a\n')).toString()).to.equal('id: 1\nevent: line\ndata: "a"\n\n');
  });

  it('lines are encoded once for all event streams of a run', () => {
    const entry = createEntry('a\nb\n', 5);
    expect(encodeOnce(entry, encodeLineEvents)).to.equal(encodeOnce(entry, encodeLineEvents));
  });

  it('the encoder enlarges its buffer if the JSON is longer than the lines', () => {
    const text = '\u0001'.repeat(5_000);
    expect(decodeLines(encodeLineEvents(createEntry(`${text}\n`.repeat(9))))).to.deep.equal(
      Array.from({ length: 9 }, () => text),
    );
  });

  it('an entry without lines encodes to nothing', () => {
    expect(encodeLineEvents(createEntry(''))).to.have.length(0);
  });

  it('messages other than lines are encoded with the given id, or without an id', () => {
    expect(encodeMessage('run', '{}')).to.equal('event: run\ndata: {}\n\n');
    expect(encodeMessage('gap', '{}', '7')).to.equal('id: 7\nevent: gap\ndata: {}\n\n');
  });
});
