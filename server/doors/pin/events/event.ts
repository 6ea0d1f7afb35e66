// An event as pin's clients read it: one line of JSON, of a bounded length.

export const eventTypes = [
  'connection', 'daemon_start', 'daemon_stop', 'gap', 'pipeline_trigger', 'pipeline_started', 'job_container_start', 'job_host_start', 'log', 'job_retry', 'job_skipped',
  'job_completed', 'job_failed', 'pipeline_complete', 'pipeline_error', 'pipeline_cancelled',
] as const;
export type EventType = (typeof eventTypes)[number];

export type Level = 'info' | 'success' | 'warning' | 'error';

export interface PinEvent {
  readonly type: EventType;
  readonly level: Level;
  readonly message: string;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly run_id?: string;
  readonly job?: string;
  readonly [fact: string]: unknown;
}

/** Of the JSON of one event. */
export const dataBytesMax = 60_000;

/** Of one text in an event that is not output; what is longer is cut. */
const textCharsMax = 4_000;

/**
 * The JSON text. Type and run come first: whoever passes events on finds them without reading the rest (`headOf`). An event that is longer than
 * `dataBytesMax` all the same is cut down to what all events have.
 */
export function encodeEvent(event: PinEvent): string {
  const { type, run_id, ...rest } = event;
  const head = { type, ...(run_id !== undefined && { run_id }) };
  const text = JSON.stringify({ ...head, ...rest }, clipped);
  if (Buffer.byteLength(text) <= dataBytesMax) return text;
  const { level, message, timestamp, job } = event;
  return JSON.stringify({ ...head, level, message, timestamp, ...(job !== undefined && { job }), shortened: true }, clipped);
}

function clipped(_key: string, value: unknown): unknown {
  return typeof value === 'string' && value.length > textCharsMax ? `${value.slice(0, textCharsMax).replace(/[\ud800-\udbff]$/, '')}…` : value;
}

const typeOpening = Buffer.from('{"type":"');
const runOpening = Buffer.from('","run_id":"');

export interface Head {
  readonly type: string;
  readonly run: string | undefined;
}

/** Of the JSON of an event that `encodeEvent` or `outputEvents` made. */
export function headOf(json: Buffer): Head {
  const typeEnd = json.indexOf(0x22, typeOpening.length);
  const type = json.toString('latin1', typeOpening.length, typeEnd);
  const runStart = typeEnd + runOpening.length;
  if (!json.subarray(typeEnd, runStart).equals(runOpening)) return { type, run: undefined };
  return { type, run: json.toString('latin1', runStart, json.indexOf(0x22, runStart)) };
}

/** The run is over, and this is the last that is told of it. */
export function isLast(type: string): boolean {
  return type === 'pipeline_complete' || type === 'pipeline_error' || type === 'pipeline_cancelled';
}
