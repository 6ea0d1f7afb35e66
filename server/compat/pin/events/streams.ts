// Opens the event streams of the pin API and limits their number.

import type { ServerResponse } from 'node:http';
import { SseConnections } from '../../../http/kit/sse-connections.ts';
import type { Logger } from '../../../support/logger.ts';
import type { PinLimits } from '../deps.ts';
import { PinHttpError } from '../errors.ts';
import type { PinEvent } from './event.ts';
import type { EventLog } from './event-log.ts';
import { EventEncoder, PinStream, type StreamOptions } from './stream.ts';

export interface PinStreamsDeps {
  readonly eventLog: EventLog;
  readonly limits: () => PinLimits;
  /** Sent to clients that start with new events. */
  readonly daemonStart: PinEvent;
  readonly log: Logger;
}

export type StreamRequest = Pick<StreamOptions, 'start' | 'filter' | 'until'>;

export class PinStreams {
  readonly #deps: PinStreamsDeps;
  readonly #encoder: EventEncoder;
  readonly #open: SseConnections;
  #clients = 0;

  constructor(deps: PinStreamsDeps) {
    this.#deps = deps;
    this.#encoder = new EventEncoder(deps.eventLog);
    this.#open = new SseConnections({ limits: deps.limits, isEnabled: () => true });
  }

  get size(): number {
    return this.#open.size;
  }

  /** Throws a PinHttpError if too many streams are open. */
  checkCapacity(): void {
    const { streamsMax } = this.#deps.limits();
    if (this.#open.size < streamsMax) return;
    throw new PinHttpError('not_ready', `too many event streams are open; the limit is ${streamsMax}`, {
      headers: { 'Retry-After': '1' },
    });
  }

  /** Opens a stream that writes its events to `response`, whose head has been sent. */
  open(request: StreamRequest, response: ServerResponse): void {
    const { eventLog, limits, log, daemonStart } = this.#deps;
    this.#open.open(response, () => {
      return new PinStream(eventLog, {
        ...request,
        sink: response,
        encoder: this.#encoder,
        client: `client_${(this.#clients += 1)}`,
        bytesMax: limits().socketBytesMax,
        ...(request.filter.run === undefined && { daemonStart }),
        onError: (error) => log.error({ err: error }, 'events of the pin API cannot be read'),
      });
    });
  }

  /** Resolves when no stream is open. */
  empty(): Promise<void> {
    return this.#open.empty();
  }

  /** Closes the connections of all open streams at once, even if clients have not received every event. */
  close(): void {
    this.#open.close();
  }
}
