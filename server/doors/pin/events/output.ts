// What a job prints, as events: one for a line, several for a line that is too long for one.

import { dataBytesMax } from './event.ts';

export interface OutputOf {
  readonly run: string;
  /** Absent: of no job. */
  readonly job?: string;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339. */
  readonly timestamp: string;
}

/** The JSON texts of `lines`, each ended by `\n`. All that lines have in common is written once. */
export function outputEvents(lines: readonly string[], { run, job, stream, timestamp }: OutputOf): string {
  const head = `{"type":"log","run_id":${JSON.stringify(run)},"level":"info","message":`;
  const rest = `,"timestamp":"${timestamp}"${job === undefined ? '' : `,"job":${JSON.stringify(job)}`},"stream":"${stream}"}\n`;
  const room = Math.max(leastBytes, dataBytesMax - Buffer.byteLength(head) - Buffer.byteLength(rest));
  let text = '';
  for (const line of lines) {
    for (const piece of jsonPieces(line, room)) text += head + piece + rest;
  }
  return text;
}

/** A name of a job that is longer than all else is nobody's; but there is an end to it. */
const leastBytes = 1_000;

/** The longest that JSON makes of one UTF-16 unit: `\u0000`. */
const unitBytesMax = 6;

/** `text` as JSON strings that together are the text, each of at most `bytesMax` bytes, cut between characters. */
export function jsonPieces(text: string, bytesMax: number): readonly string[] {
  if (text.length * unitBytesMax + 2 <= bytesMax) return [JSON.stringify(text)];
  const pieces: string[] = [];
  let start = 0;
  let bytes = 2;
  for (let at = 0; at < text.length;) {
    const length = isHigh(text.charCodeAt(at)) && at + 1 < text.length ? 2 : 1;
    const cost = length === 2 ? 2 * unitBytesMax : costOf(text.charCodeAt(at));
    if (bytes + cost > bytesMax && at > start) {
      pieces.push(JSON.stringify(text.slice(start, at)));
      start = at;
      bytes = 2;
    }
    bytes += cost;
    at += length;
  }
  pieces.push(JSON.stringify(text.slice(start)));
  return pieces;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function costOf(unit: number): number {
  if (unit < 0x20 || (unit >= 0xd800 && unit <= 0xdfff)) return unitBytesMax;
  if (unit === 0x22 || unit === 0x5c) return 2;
  return unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
}
