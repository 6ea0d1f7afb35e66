// Events in the form that clients of pin read: one line of JSON of limited length.

export const eventTypes = [
  'connection',
  'daemon_start',
  'daemon_stop',
  'gap',
  'pipeline_trigger',
  'pipeline_started',
  'job_container_start',
  'job_host_start',
  'log',
  'job_retry',
  'job_skipped',
  'job_completed',
  'job_failed',
  'pipeline_complete',
  'pipeline_error',
  'pipeline_cancelled',
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
  readonly [detail: string]: unknown;
}

/** Maximum size of the JSON of one event. */
export const dataBytesMax = 60_000;

/** Maximum length of a text in an event, except output. Longer texts are cut. */
const textCharsMax = 4_000;

/**
 * Returns the JSON text. Type and run come first, so that `readEventHead` finds them without parsing the rest. An event
 * longer than `dataBytesMax` is reduced to the fields that all events have.
 */
export function encodeEvent(event: PinEvent): string {
  const { type, run_id, ...rest } = event;
  const head = { type, ...(run_id !== undefined && { run_id }) };
  const text = JSON.stringify({ ...head, ...rest }, cutLongText);
  if (Buffer.byteLength(text) <= dataBytesMax) return text;
  const { level, message, timestamp, job } = event;
  return JSON.stringify(
    { ...head, level, message, timestamp, ...(job !== undefined && { job }), shortened: true },
    cutLongText,
  );
}

function cutLongText(_key: string, value: unknown): unknown {
  return typeof value === 'string' && value.length > textCharsMax
    ? `${value.slice(0, textCharsMax).replace(/[\ud800-\udbff]$/, '')}…`
    : value;
}

const typeOpening = Buffer.from('{"type":"');
const runOpening = Buffer.from('","run_id":"');

export interface EventHead {
  readonly type: string;
  readonly run: string | undefined;
}

/** Reads the head of an event that `encodeEvent` or `encodeOutput` wrote. */
export function readEventHead(json: Buffer): EventHead {
  const typeEnd = json.indexOf(0x22, typeOpening.length);
  const type = json.toString('latin1', typeOpening.length, typeEnd);
  const runStart = typeEnd + runOpening.length;
  if (!json.subarray(typeEnd, runStart).equals(runOpening)) return { type, run: undefined };
  return { type, run: json.toString('latin1', runStart, json.indexOf(0x22, runStart)) };
}

/** Returns whether this is the last event of a run. */
export function isFinalEvent(type: string): boolean {
  return type === 'pipeline_complete' || type === 'pipeline_error' || type === 'pipeline_cancelled';
}
