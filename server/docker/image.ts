// Pulling an image: progress as events, its own timeout, and an end at once when the run is to stop.

import { WorkFailed } from '../../calls/contract/engines.ts';
import type { RunPorts } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, saidBy } from './failure.ts';
import { imageReference } from './options.ts';
import { PullProgress, type PullMessage } from './pull-progress.ts';

type PullPorts = Pick<RunPorts, 'signal' | 'events'>;

/** Resolves when the engine has the image, or when the run is to stop. Throws WorkFailed with the engine's reason. */
export async function pull(engine: Connection, ports: PullPorts, wanted: { image: string; pullMs: number }): Promise<void> {
  const { image, pullMs } = wanted;
  const timeout = AbortSignal.timeout(pullMs);
  const begun = performance.now();
  ports.events.emit('image-pulling', { image });
  try {
    await read(engine, ports, { image, abort: AbortSignal.any([ports.signal, timeout]) });
  } catch (error) {
    if (ports.signal.aborted) return;
    if (timeout.aborted) throw new WorkFailed(`cannot pull "${image}": not done after ${pullMs} ms; limits.pullMs allows more`);
    if (error instanceof WorkFailed) throw error;
    const why = isUnreachable(error) ? 'the engine broke off' : saidBy(error);
    throw new WorkFailed(`cannot pull "${image}": ${why}`, { cause: error });
  }
  ports.events.emit('image-pulled', { image, ms: Math.round(performance.now() - begun) });
}

async function read(engine: Connection, ports: PullPorts, wanted: { image: string; abort: AbortSignal }): Promise<void> {
  const { image, abort } = wanted;
  const answer = (await engine.dial({
    // No body, which is what dockerode's own method sends: the engine does not read it, and as long as there is something
    // to be read it does not notice that we have hung up, so the pull would go on.
    path: `/images/create?${new URLSearchParams({ ...imageReference(image) })}&`,
    method: 'POST',
    isStream: true,
    abortSignal: abort,
    statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
  })) as AsyncIterable<Buffer>;
  const progress = new PullProgress((facts) => ports.events.emit('image-progress', { image, ...facts }));
  for await (const message of messages(answer)) {
    // The answer was 200 before the pull began: a failure is just one more message.
    if (message.error !== undefined) throw new WorkFailed(`cannot pull "${image}": ${saidBy(new Error(message.error))}`);
    progress.take(message);
  }
  abort.throwIfAborted();
}

const messageBytesMax = 1 << 20;

/** The engine's answer: one JSON object per line. */
async function* messages(answer: AsyncIterable<Buffer>): AsyncGenerator<PullMessage, void, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of answer) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > messageBytesMax) throw new Error('the engine sent an endless message');
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as PullMessage;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as PullMessage;
}
