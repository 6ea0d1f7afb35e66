// Events as they stand in an event stream (HTML standard, 9.2): `id:`, `event:` and one `data:` line, whichever of them a client wants.

import { headOf, isLast } from './event.ts';
import type { EventIds } from './ids.ts';

export interface Wish {
  /** Without `event:` lines, for clients that only have an `onmessage`. */
  readonly unnamed: boolean;
  /** Only those of this run. */
  readonly run?: string;
}

export interface Encoded {
  readonly bytes: Buffer;
  /** Events that were looked at, wanted or not. */
  readonly count: number;
  /** The last event of the wanted run is among them. */
  readonly last: boolean;
}

/** One frame. */
export function encodeFrame(id: number, type: string, json: string | Buffer, { unnamed }: Wish): string {
  return `id: ${id}\n${unnamed ? '' : `event: ${type}\n`}data: ${json.toString()}\n\n`;
}

/** A comment: proxies cut connections that are silent. */
export const heartbeat = ': ping\n\n';

/** What was made of a batch for those who want all of it, for as long as it is in memory: they write the same bytes. */
const encoded = { named: new WeakMap<Buffer, Encoded>(), unnamed: new WeakMap<Buffer, Encoded>() };

/** The events in `frames`, whole unmasked websocket text frames (RFC 6455, 5.2) with one event each; the first one has the number `first`. */
export function encodeEvents(frames: Buffer, first: number, { ids, wish }: { readonly ids: EventIds; readonly wish: Wish }): Encoded {
  if (wish.run !== undefined) return encode(frames, first, { ids, wish });
  const shared = wish.unnamed ? encoded.unnamed : encoded.named;
  const known = shared.get(frames);
  if (known !== undefined) return known;
  const made = encode(frames, first, { ids, wish });
  shared.set(frames, made);
  return made;
}

function encode(frames: Buffer, first: number, { ids, wish }: { readonly ids: EventIds; readonly wish: Wish }): Encoded {
  const pieces: (string | Buffer)[] = [];
  let number = first;
  let last = false;
  for (const json of payloads(frames)) {
    const { type, run } = headOf(json);
    if (wish.run === undefined || wish.run === run) {
      pieces.push(encodeFrame(ids.idOf(number), type, json, wish));
      last = wish.run !== undefined && isLast(type);
    }
    number++;
    if (last) break;
  }
  return { bytes: Buffer.from(pieces.join('')), count: number - first, last };
}

/** What each frame carries: views. */
export function* payloads(frames: Buffer): Generator<Buffer> {
  for (let at = 0; at < frames.length;) {
    const short = frames[at + 1]!;
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    const end = start + (short < 126 ? short : short === 126 ? frames.readUInt16BE(at + 2) : Number(frames.readBigUInt64BE(at + 2)));
    yield frames.subarray(start, end);
    at = end;
  }
}
