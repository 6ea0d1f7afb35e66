// The reasons why a session can end: for each, the message for the client and the close code (RFC 6455, section 7.4).
// docs/protocol.md shows this table; a test compares them.

export interface SessionEnding {
  /** Text for the client. Absent: the message comes from the run or from its rejection. */
  readonly message?: string;
  readonly closeCode: 1000 | 1001 | 1002 | 1007 | 1008 | 1009 | 1011;
  readonly summary: string;
}

export const sessionEndings = {
  done: { closeCode: 1000, summary: 'the run ended: it succeeded, failed, timed out or was cancelled by a client' },
  detached: { closeCode: 1000, summary: 'the client detached and the run continues' },
  rejected: {
    closeCode: 1000,
    summary: 'the gateway rejected the call or the attach; the message gives the reason',
  },
  'unknown-call': { message: 'unknown action call', closeCode: 1000, summary: 'no call has this name' },
  'wrong-params': {
    message: 'invalid number of parameters',
    closeCode: 1000,
    summary: 'the call message has too few or too many parameters',
  },
  scope: {
    closeCode: 1008,
    summary: 'the caller may not make this call; the message is `failed to check scope: ` and the name of the scope',
  },
  'call-timeout': {
    message: 'timeout reading the first message',
    closeCode: 1008,
    summary: 'no call message arrived within `firstCallMs`',
  },
  'not-a-call': {
    message: 'protocol error: first message is not a call',
    closeCode: 1002,
    summary: 'the first binary frame is not a call',
  },
  'second-call': {
    message: 'protocol error: call message sent twice',
    closeCode: 1002,
    summary: 'the client sent a second call message',
  },
  'unknown-control': {
    message: 'protocol error: unknown control message',
    closeCode: 1002,
    summary: 'a later binary frame is unknown or cannot be parsed',
  },
  'early-input-overflow': {
    message: 'protocol error: too much input before the call',
    closeCode: 1002,
    summary: 'the client sent more text before the call than the gateway buffers',
  },
  'bad-frame': {
    message: 'protocol error: invalid frame',
    closeCode: 1002,
    summary: 'the client sent bytes that are not a websocket frame',
  },
  'not-utf8': {
    message: 'protocol error: invalid UTF-8',
    closeCode: 1007,
    summary: 'the client sent a text frame that is not UTF-8',
  },
  'too-large': {
    message: 'protocol error: message too large',
    closeCode: 1009,
    summary: 'the client sent a message larger than `messageBytesMax`',
  },
  'input-overflow': {
    message: 'input buffer overflow',
    closeCode: 1008,
    summary: 'the unread input exceeds `inputBytesMax` in memory and `inputFileBytesMax` in its file',
  },
  shutdown: { message: 'cancelled: server is shutting down', closeCode: 1001, summary: 'the gateway is stopping' },
  fault: {
    message: 'unknown error',
    closeCode: 1011,
    summary: 'an error occurred in the gateway; only its log has the details',
  },
} as const satisfies Record<string, SessionEnding>;

export type SessionEndingName = keyof typeof sessionEndings;
