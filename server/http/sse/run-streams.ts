// Opens the event streams of runs and limits their number.

import type { ServerResponse } from 'node:http';
import type { Limits } from '../../../protocol/limits.ts';
import type { Cursor } from '../../runs/log/position.ts';
import type { RunView } from '../../runs/views/run-view.ts';
import type { Logger } from '../../support/logger.ts';
import { ApiError } from '../kit/http-error.ts';
import { SseConnections } from '../kit/sse-connections.ts';
import { RunStream } from './run-stream.ts';

export interface RunStreamsDeps {
  readonly limits: () => Pick<Limits, 'streamsMax' | 'heartbeatMs' | 'writeStallMs' | 'socketBytesMax'>;
  /** False while the API is off. Open streams then end, because no path under /api works. */
  readonly isEnabled: () => boolean;
  readonly log: Logger;
}

export class RunStreams {
  readonly #deps: RunStreamsDeps;
  readonly #open: SseConnections;
  #stopping = false;

  constructor(deps: RunStreamsDeps) {
    this.#deps = deps;
    this.#open = new SseConnections(deps);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Bytes that the clients have not accepted yet. */
  get waitingBytes(): number {
    return this.#open.waitingBytes;
  }

  /** Throws an ApiError if too many streams are open or the gateway is stopping. */
  checkCapacity(): void {
    if (this.#stopping) throw new ApiError('stopping', 'the gateway is stopping', { 'Retry-After': '1' });
    const { streamsMax } = this.#deps.limits();
    if (this.#open.size >= streamsMax)
      throw new ApiError('not_ready', `too many event streams are open; the limit is ${streamsMax}`, {
        'Retry-After': '1',
      });
  }

  /**
   * Writes the log of a run from `cursor` to the body of `response`, whose head has been sent. Does not count as a
   * client of the run.
   */
  open(run: RunView, cursor: Cursor, response: ServerResponse): void {
    const onError = (error: unknown): void => this.#deps.log.error({ run: run.id, err: error }, 'a log cannot be read');
    this.#open.open(
      response,
      () => new RunStream(run, cursor, { sink: response, bytesMax: this.#deps.limits().socketBytesMax, onError }),
    );
  }

  /** Opens no more streams. Open ones continue to the end of their runs. */
  drain(): void {
    this.#stopping = true;
  }

  /** Resolves when no stream is open. */
  empty(): Promise<void> {
    return this.#open.empty();
  }

  /** Cuts off all streams. */
  close(): void {
    this.#open.close();
  }
}
