// What is in the files of a log that nobody writes: all of it that makes sense, and what is needed to go on from there.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import { wholeCharacters } from './characters.ts';
import { LogFiles } from './files.ts';
import { origin, type Mark } from './mark.ts';
import type { Shape, StoredEvent } from './page.ts';
import type { Position } from './position.ts';
import type { Segment, SegmentFiles } from './segment.ts';
import { removeRemains } from './segments.ts';
import type { Source } from './sources.ts';
import { LineSplitter } from './splitter.ts';
import { eachEvent, LineWalk } from './walk.ts';

export interface Survey {
  readonly files: LogFiles;
  /** The last one, or one that is still to be made. */
  readonly segment: Segment;
  /** The end of the last whole line, of a terminal of the last whole character, and of the last event that stands before that. */
  readonly end: Position;
  readonly source: Readonly<Record<OutputStream, number>>;
  /** What printed the last line; of a part whose name is not known here, some job. */
  readonly last: Pick<Source, 'stream' | 'job'>;
  /** The event that says so, when it stands behind the last mark. */
  readonly told?: Uint8Array;
  readonly truncated: boolean;
  readonly lineBytesMax: number;
  /** Of a terminal: what has begun and not ended, as the bytes before `end` make it. */
  readonly splitter: LineSplitter;
  /** Bytes after `end`, of a line that is not whole. */
  readonly torn: number;
}

/** Of a log that is still to be made. */
export interface SurveyOptions {
  readonly shape: Shape;
  readonly lineBytesMax: number;
}

/** Reads no more than what comes after the last mark. Changes nothing, and leaves no file open. Throws what the file system says. */
export async function survey(files: LogFiles, { shape, lineBytesMax }: SurveyOptions): Promise<Survey> {
  const last = files.numbers.at(-1);
  if (last === undefined) return nothingIn(files, shape, lineBytesMax);
  try {
    return { files, segment: { number: last, start: await files.start(last) }, ...(await files.use(last, (segment) => surveySegment(segment))) };
  } finally {
    files.close(true);
  }
}

/**
 * As `survey`, and then nothing else is in the files: not a half line, no event that is said of a line that is not there. To be used where no other
 * gateway writes them. Safe twice, and after being interrupted.
 */
export async function recover(folder: string, options: SurveyOptions): Promise<Survey> {
  await removeRemains(folder);
  const found = await survey(await LogFiles.in(folder), options);
  await found.files.cut(found.end);
  return found;
}

/** Of a log that is still to be made. */
export function nothingIn(files: LogFiles, shape: Shape, lineBytesMax: number): Survey {
  const start = origin(shape, lineBytesMax);
  const { place, source, truncated } = start;
  return { files, segment: { number: 0, start }, end: place, source, last: lastOf(start), truncated, lineBytesMax, splitter: new LineSplitter(lineBytesMax), torn: 0 };
}

/** The end of everything there is of a log that ended so: an unterminated last line is a line. */
export function wholeEnd({ end, splitter, torn }: Survey): Position {
  const open = torn > 0 || splitter.unfinished.length > 0;
  return { ...end, line: end.line + (open ? 1 : 0), byte: end.byte + torn };
}

type Found = Omit<Survey, 'files' | 'segment'>;

async function surveySegment(files: SegmentFiles): Promise<Found> {
  const mark = await files.lastMark(() => true);
  return mark.shape === 'raw' ? surveyRaw(files, mark) : surveyLines(files, mark);
}

/** The events say which stream a line came from, and which newlines are ours. */
async function surveyLines(files: SegmentFiles, mark: Mark): Promise<Found> {
  const ends = await files.ends();
  const source = { ...mark.source };
  let { truncated } = mark;
  let last = lastOf(mark);
  let told: Uint8Array | undefined;
  let { seq, eventByte } = mark.place;
  const walk = new LineWalk(files, { line: mark.place.line, byte: mark.place.byte, until: ends.byte, lineBytesMax: Infinity });
  const goTo = async (line: number): Promise<boolean> => {
    const before = walk.byte;
    const there = await walk.to(line);
    source[last.stream] += walk.byte - before;
    return there;
  };
  for await (const event of eachEvent(files, eventByte, ends.eventByte)) {
    if (!(await goTo(event.at))) break;
    seq++;
    eventByte += event.json.length + 1;
    const { type, stream, job } = factsOf(event);
    if (type === 'stream') {
      last = { stream: stream === 'stderr' ? 'stderr' : 'stdout', ...(typeof job === 'string' && { job }) };
      told = event.json;
    } else if (type === 'cut' || type === 'unterminated') source[last.stream]--;
    else if (type === 'truncated') truncated = true;
  }
  await goTo(Infinity);
  const end = { line: walk.line, byte: walk.byte, seq, eventByte };
  return { end, source, last, ...(told !== undefined && { told }), truncated, lineBytesMax: mark.lineBytesMax, splitter: new LineSplitter(mark.lineBytesMax), torn: ends.byte - walk.byte };
}

function lastOf({ stream, ofPart }: Mark): Survey['last'] {
  return { stream, ...(ofPart && { job: '' }) };
}

/** The same for a terminal, whose events say themselves which bytes come before them. */
async function surveyRaw(files: SegmentFiles, mark: Mark): Promise<Found> {
  const ends = await files.ends();
  const splitter = new LineSplitter(mark.lineBytesMax);
  let { line, byte, seq, eventByte } = mark.place;
  while (byte < ends.byte) {
    const bytes = await files.readLines(byte, Math.min(ends.byte - byte, rawPageBytes));
    const whole = byte + bytes.length < ends.byte ? bytes.length : wholeCharacters(bytes);
    line += splitter.push(bytes.subarray(0, whole)).reduce((sum, { lines }) => sum + lines, 0);
    byte += whole;
    if (whole < bytes.length) break;
  }
  let { truncated } = mark;
  for await (const event of eachEvent(files, eventByte, ends.eventByte)) {
    if ((event.byte ?? 0) > byte) break;
    seq++;
    eventByte += event.json.length + 1;
    truncated ||= factsOf(event).type === 'truncated';
  }
  const end = { line, byte, seq, eventByte };
  return { end, source: { stdout: byte, stderr: 0 }, last: lastOf(mark), truncated, lineBytesMax: mark.lineBytesMax, splitter, torn: ends.byte - byte };
}

const rawPageBytes = 256 << 10;

function factsOf({ json }: StoredEvent): { readonly type?: unknown; readonly stream?: unknown; readonly job?: unknown } {
  return JSON.parse(Buffer.from(json).toString('utf8')) as { type?: unknown; stream?: unknown; job?: unknown };
}
