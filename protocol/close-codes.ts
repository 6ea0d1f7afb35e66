// How a session can end: one table of reasons, with what the client reads and the close code that follows the result.
// docs/protocol.md shows it; a test compares them. Codes: RFC 6455, section 7.4.

export interface SessionEnding {
  /** What the client reads. Absent: the message is the run's or the refusal's own. */
  readonly message?: string;
  readonly closeCode: 1000 | 1001 | 1002 | 1007 | 1008 | 1009 | 1011;
  readonly summary: string;
}

export const sessionEndings = {
  'done': { closeCode: 1000, summary: 'the run ended: it succeeded, failed, timed out or was cancelled by signal' },
  'detached': { closeCode: 1000, summary: 'the client left, and the run goes on' },
  'refused': { closeCode: 1000, summary: 'the call cannot be started as asked: parameters, availability, run id' },
  'unknown-call': { message: 'unknown action call', closeCode: 1000, summary: 'no call of this name' },
  'wrong-params': { message: 'invalid number of parameters', closeCode: 1000, summary: 'too few or too many parameters' },
  'scope': { closeCode: 1008, summary: 'the caller may not make this call; the message is `failed to check scope: ` and the scope\'s text' },
  'no-call': { message: 'timeout reading the first message', closeCode: 1008, summary: 'no call in time' },
  'not-a-call': { message: 'protocol error: first message is not a call', closeCode: 1002, summary: 'the first binary frame is something else' },
  'second-call': { message: 'protocol error: call message sent twice', closeCode: 1002, summary: 'a second call message' },
  'unknown-control': { message: 'protocol error: unknown control message', closeCode: 1002, summary: 'another unknown or unparsable binary frame' },
  'held-too-much': { message: 'protocol error: too much input before the call', closeCode: 1002, summary: 'more text before the call than is held' },
  'bad-frame': { message: 'protocol error: invalid frame', closeCode: 1002, summary: 'bytes that are not a websocket frame' },
  'not-utf8': { message: 'protocol error: invalid UTF-8', closeCode: 1007, summary: 'a text frame that is not UTF-8' },
  'too-large': { message: 'protocol error: message too large', closeCode: 1009, summary: 'a message beyond the bound' },
  'input-overflow': { message: 'input buffer overflow', closeCode: 1008, summary: 'more unread input than is queued' },
  'shutdown': { message: 'cancelled: server is shutting down', closeCode: 1001, summary: 'the gateway is stopping' },
  'fault': { message: 'unknown error', closeCode: 1011, summary: 'a fault of the gateway; details are only in its log' },
} as const satisfies Record<string, SessionEnding>;

export type SessionEndingName = keyof typeof sessionEndings;
