// What the engine tells while it works: one JSON object per line, as many as it likes.

const messageBytesMax = 1 << 20;

/** Throws when the answer breaks off, and for what is no JSON. */
export async function* messages<M>(answer: AsyncIterable<Buffer>): AsyncGenerator<M, void, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of answer) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > messageBytesMax) throw new Error('the engine sent an endless message');
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as M;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as M;
}
