// Creates the error for a request to the engine that a run abandons because the run is being stopped.

import { WorkFailed } from '../../calls/contract/engines.ts';

export function runStopping(what: string): WorkFailed {
  return new WorkFailed(`cannot ${what}: the run is being stopped`);
}
