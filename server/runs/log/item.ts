// One step of a log: a batch of whole lines, a chunk of a terminal, or an event. Its frames are built when the first watcher asks, and
// shared by all.

import { frameRegions, frameText, payloadOf } from './frames.ts';
import type { GapReason } from '../../../protocol/messages.ts';
import type { Position } from './position.ts';

interface Span {
  readonly start: Position;
  readonly end: Position;
}

/** `lines`: whole lines. `raw`: a chunk of a terminal, valid UTF-8. The bytes may be gone once the frames are there and the disk has them. */
export interface BytesItem extends Span {
  readonly type: 'lines' | 'raw';
  pieces: readonly Uint8Array[];
  frames?: Buffer;
  /** Somebody else may still need the frames when they are let go here. */
  kept?: true;
}

export interface EventItem extends Span {
  readonly type: 'event';
  /** The event's JSON text. */
  readonly json: Uint8Array;
}

/** What stood between `start` and `end` is not there any more. */
export interface GapItem extends Span {
  readonly type: 'gap';
  readonly reason: GapReason;
}

export type Item = BytesItem | EventItem;

/** What a watcher is told. */
export type Told = Item | GapItem;

/** Text frames of the item: one per line, or one for a raw chunk. */
export function framesOf(item: BytesItem): Buffer {
  item.frames ??= item.type === 'lines' ? frameRegions(item.pieces) : frameText(Buffer.concat(item.pieces));
  return item.frames;
}

/** What the log has of an item that is a terminal's chunk, or was read from the files; good until the next turn of the event loop. */
export function bytesOf(item: BytesItem): readonly Uint8Array[] {
  return item.pieces.length > 0 ? item.pieces : [payloadOf(framesOf(item))];
}
