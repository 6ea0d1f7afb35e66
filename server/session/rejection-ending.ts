// Maps a rejected request to the ending of its session.

import type { SessionEndingName } from '../../protocol/close-codes.ts';
import { type RejectionCode, RunRejected } from '../runs/rejection.ts';

const endingByCode: Readonly<Record<RejectionCode, SessionEndingName>> = {
  'unknown-call': 'unknown-call',
  'unknown-run': 'rejected',
  'not-allowed': 'scope',
  'wrong-param-count': 'wrong-params',
  'invalid-params': 'rejected',
  'invalid-disconnect': 'rejected',
  'id-taken': 'rejected',
  busy: 'rejected',
  storage: 'rejected',
  stopping: 'shutdown',
  disabled: 'rejected',
};

/** Returns the ending for an error of `start` or `attach`. An error other than RunRejected is an internal error. */
export function rejectionEnding(error: unknown): SessionEndingName {
  return error instanceof RunRejected ? endingByCode[error.code] : 'fault';
}
