// Scans the files of a log that is not being written: finds its valid end and what is needed to continue it.

import type { OutputStream } from '../../../../calls/contract/ports.ts';
import type { LogForm } from '../options.ts';
import type { Position } from '../position.ts';
import { LineSplitter } from '../text/line-splitter.ts';
import { readSource, type SourceName } from '../text/output-sources.ts';
import { wholeCharacters } from '../text/utf8.ts';
import { type Checkpoint, initialCheckpoint } from './checkpoint.ts';
import { eachEvent, LineScanner } from './line-scanner.ts';
import type { Segment, SegmentFiles } from './segment.ts';
import { removePartialSegments } from './segment-folder.ts';
import { SegmentSet } from './segment-set.ts';

export interface LogScan {
  readonly files: SegmentSet;
  /** The last segment, or the first one, which may not exist yet. */
  readonly segment: Segment;
  /** End of the last whole line (for a terminal: of the last whole character), and of the last event before it. */
  readonly end: Position;
  readonly source: Readonly<Record<OutputStream, number>>;
  /** Source of the last line. If the name of its part is unknown here, `job` is empty. */
  readonly lastSource: SourceName;
  /** The event that announced this source, if it comes after the last checkpoint. */
  readonly sourceEvent?: Uint8Array;
  readonly truncated: boolean;
  readonly lineBytesMax: number;
  /** For a terminal, holds the partial line before `end`. */
  readonly splitter: LineSplitter;
  /** Number of bytes after `end`: an incomplete line or character. */
  readonly partialBytes: number;
}

/** Used only for a log without files; otherwise its checkpoints have these values. */
export interface ScanOptions extends LogForm {
  readonly lineBytesMax: number;
}

/**
 * Scans the log from its last checkpoint on. Changes nothing and leaves no file open. Rejects with the file-system
 * error.
 */
export async function scanLog(files: SegmentSet, options: ScanOptions): Promise<LogScan> {
  const last = files.numbers.at(-1);
  if (last === undefined) return emptyScan(files, options);
  try {
    return {
      files,
      segment: { number: last, start: await files.start(last) },
      ...(await files.withSegment(last, (segment) => scanSegment(segment))),
    };
  } finally {
    files.close(true);
  }
}

/**
 * Scans the log, then removes incomplete data: a partial line, and events of lines that do not exist. No other process
 * may write the files. Idempotent, even if an earlier call was interrupted.
 */
export async function recover(folder: string, options: ScanOptions): Promise<LogScan> {
  await removePartialSegments(folder);
  const found = await scanLog(await SegmentSet.load(folder), options);
  await found.files.truncate(found.end);
  return found;
}

/** Returns the scan of a log without files. */
export function emptyScan(files: SegmentSet, { format, lineBytesMax, exact }: ScanOptions): LogScan {
  const start = initialCheckpoint(format, lineBytesMax, exact);
  const { position, source, truncated } = start;
  return {
    files,
    segment: { number: 0, start },
    end: position,
    source,
    lastSource: lastSourceAt(start),
    truncated,
    lineBytesMax,
    splitter: new LineSplitter(lineBytesMax),
    partialBytes: 0,
  };
}

/** Returns the end of an ended log, in which an unterminated last line counts as a line. */
export function endIncludingPartialLine({ end, splitter, partialBytes }: LogScan): Position {
  const hasPartialLine = partialBytes > 0 || splitter.partialLine.length > 0;
  return { ...end, line: end.line + (hasPartialLine ? 1 : 0), byte: end.byte + partialBytes };
}

type SegmentScan = Omit<LogScan, 'files' | 'segment'>;

async function scanSegment(files: SegmentFiles): Promise<SegmentScan> {
  const checkpoint = await files.lastCheckpoint(() => true);
  return checkpoint.format === 'raw' ? scanRaw(files, checkpoint) : scanLines(files, checkpoint);
}

/** Scans lines, and events that name the stream of each line and the newlines that the log has added. */
async function scanLines(files: SegmentFiles, checkpoint: Checkpoint): Promise<SegmentScan> {
  const ends = await files.ends();
  const source = { ...checkpoint.source };
  let { truncated } = checkpoint;
  let lastSource = lastSourceAt(checkpoint);
  let sourceEvent: Uint8Array | undefined;
  let { seq, eventByte } = checkpoint.position;
  const scanner = new LineScanner(files, {
    line: checkpoint.position.line,
    byte: checkpoint.position.byte,
    until: ends.byte,
    lineBytesMax: Infinity,
  });
  const goTo = async (line: number): Promise<boolean> => {
    const before = scanner.byte;
    const reached = await scanner.advanceTo(line);
    source[lastSource.stream] += scanner.byte - before;
    return reached;
  };
  for await (const event of eachEvent(files, eventByte, ends.eventByte)) {
    if (!(await goTo(event.at))) break;
    seq++;
    eventByte += event.json.length + 1;
    const { type, json } = event;
    if (type === 'stream') {
      lastSource = readSource(json) ?? lastSource;
      sourceEvent = json;
    } else if (type === 'cut' || type === 'unterminated') source[lastSource.stream]--;
    else if (type === 'truncated') truncated = true;
  }
  await goTo(Infinity);
  const end = { line: scanner.line, byte: scanner.byte, seq, eventByte };
  return {
    end,
    source,
    lastSource,
    ...(sourceEvent !== undefined && { sourceEvent }),
    truncated,
    lineBytesMax: checkpoint.lineBytesMax,
    splitter: new LineSplitter(checkpoint.lineBytesMax),
    partialBytes: ends.byte - scanner.byte,
  };
}

function lastSourceAt({ stream, fromPart }: Checkpoint): LogScan['lastSource'] {
  return { stream, ...(fromPart && { job: '' }) };
}

/** Scans a log of the format `raw`, whose events contain the number of bytes before them. */
async function scanRaw(files: SegmentFiles, checkpoint: Checkpoint): Promise<SegmentScan> {
  const ends = await files.ends();
  const splitter = new LineSplitter(checkpoint.lineBytesMax);
  let { line, byte, seq, eventByte } = checkpoint.position;
  while (byte < ends.byte) {
    const bytes = await files.readLines(byte, Buffer.allocUnsafe(Math.min(ends.byte - byte, rawPageBytes)));
    const isLast = byte + bytes.length >= ends.byte;
    const whole = isLast && !checkpoint.exact ? wholeCharacters(bytes) : bytes.length;
    line += splitter.push(bytes.subarray(0, whole)).reduce((sum, { lines }) => sum + lines, 0);
    byte += whole;
    if (whole < bytes.length) break;
  }
  let { truncated } = checkpoint;
  const source = { ...checkpoint.source };
  let lastSource = lastSourceAt(checkpoint);
  let sourceEvent: Uint8Array | undefined;
  const countUntil = (until: number): void => {
    source[lastSource.stream] += Math.max(0, until - source.stdout - source.stderr);
  };
  for await (const event of eachEvent(files, eventByte, ends.eventByte)) {
    if ((event.byte ?? 0) > byte) break;
    seq++;
    eventByte += event.json.length + 1;
    const { type, json } = event;
    truncated ||= type === 'truncated';
    if (type !== 'stream') continue;
    countUntil(event.byte ?? 0);
    lastSource = readSource(json) ?? lastSource;
    sourceEvent = json;
  }
  countUntil(byte);
  const end = { line, byte, seq, eventByte };
  return {
    end,
    source,
    lastSource,
    ...(sourceEvent !== undefined && { sourceEvent }),
    truncated,
    lineBytesMax: checkpoint.lineBytesMax,
    splitter,
    partialBytes: ends.byte - byte,
  };
}

const rawPageBytes = 256 << 10;
