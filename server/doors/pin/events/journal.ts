// Everything the door has to tell, in one append-only log: an event a line, its number the cursor of those who read.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { RunLog, type LogLimits } from '../../../runs/log/log.ts';
import type { Logger } from '../../../support/logger.ts';
import { encodeEvent, type PinEvent } from './event.ts';
import { EventIds } from './ids.ts';

export interface JournalParts {
  /** Made when it is not there. */
  readonly folder: string;
  /** Of what is kept; the oldest goes when it is more. */
  readonly bytesMax: number;
  readonly limits: Pick<LogLimits, 'tailBytesMax' | 'owedBytesMax'>;
  readonly log: Logger;
}

/** No event is as long: none is ever cut. */
const lineBytesMax = 1 << 20;
/** What is removed at once is a part of all that is kept. */
const segmentsKept = 8;
const segmentBytes = { least: 64 << 10, most: 64 << 20 };

export class Journal {
  readonly log: RunLog;
  readonly ids: EventIds;
  readonly #parts: JournalParts;
  readonly #segmentBytes: number;
  #sweptAt = -Infinity;
  #sweeping: Promise<void> | undefined;

  private constructor(log: RunLog, ids: EventIds, parts: JournalParts) {
    this.log = log;
    this.ids = ids;
    this.#parts = parts;
    this.#segmentBytes = segmentBytesOf(parts);
  }

  /** Goes on with what is in the folder, however the gateway before ended. Throws what the file system says. */
  static async open(parts: JournalParts): Promise<Journal> {
    const { folder, limits, log: logger } = parts;
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    const { log } = await RunLog.resume(join(folder, 'events'), {
      shape: 'lines',
      limits: { ...limits, lineBytesMax, segmentBytesMax: segmentBytesOf(parts), outputBytesMax: 0 },
      onFailure: (error) => logger.error({ err: error }, 'events of the pin door cannot be stored; nothing more is told'),
    });
    return new Journal(log, EventIds.begin(join(folder, 'starts.json'), log.position.line), parts);
  }

  /** How many events there are, those that were removed included. */
  get count(): number {
    return this.log.position.line;
  }

  append(event: Omit<PinEvent, 'timestamp'> & { readonly timestamp?: string }): void {
    this.appendTexts(`${encodeEvent({ timestamp: new Date().toISOString(), ...event } as PinEvent)}\n`);
  }

  /** JSON texts of events, each ended by `\n`. */
  appendTexts(texts: string): void {
    this.log.write('stdout', Buffer.from(texts));
    if (this.log.position.byte - this.#sweptAt >= this.#segmentBytes / 2) this.#sweep();
  }

  /** Writes what is owed; whoever reads comes to the end. Safe twice. */
  async close(): Promise<void> {
    await this.log.close();
    await this.#sweeping;
  }

  #sweep(): void {
    this.#sweptAt = this.log.position.byte;
    this.#sweeping ??= this.#dropOld()
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'old events of the pin door could not be removed'))
      .finally(() => { this.#sweeping = undefined; });
  }

  /** Whole segments, never the one that is written. */
  async #dropOld(): Promise<void> {
    const segments = await this.log.segments();
    let kept = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    let below = 0;
    for (const { number, bytes } of segments) {
      if (kept <= this.#parts.bytesMax) break;
      kept -= bytes;
      below = number + 1;
    }
    if (below > 0) await this.log.dropSegments(below);
  }
}

function segmentBytesOf({ bytesMax }: JournalParts): number {
  return Math.min(segmentBytes.most, Math.max(segmentBytes.least, Math.floor(bytesMax / segmentsKept)));
}
