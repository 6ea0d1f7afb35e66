// RunRejected: the error for a request that cannot be fulfilled. Nothing was started; the message is for the caller.

export type RejectionCode =
  | 'unknown-call'
  | 'unknown-run'
  /** The caller lacks the scope of the call. */
  | 'not-allowed'
  | 'wrong-param-count'
  | 'invalid-params'
  | 'invalid-disconnect'
  /** The run id belongs to another caller, or to a run with another call or other params. */
  | 'id-taken'
  /** Too many runs are active or waiting. */
  | 'busy'
  /** The run cannot be stored. */
  | 'storage'
  | 'stopping'
  /** The API is switched off. */
  | 'disabled';

export class RunRejected extends Error {
  override readonly name = 'RunRejected';
  readonly code: RejectionCode;

  constructor(code: RejectionCode, message: string) {
    super(message);
    this.code = code;
  }
}
