// Reads the engine's progress responses, which have one JSON object per line and any number of lines.

const messageBytesMax = 1 << 20;

/** Yields the object of each line. Throws if the response is cut off or is not JSON. */
export async function* readJsonLines<M>(response: AsyncIterable<Buffer>): AsyncGenerator<M, void, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > messageBytesMax) throw new Error('the Docker engine sent a message that is too long');
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as M;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as M;
}
