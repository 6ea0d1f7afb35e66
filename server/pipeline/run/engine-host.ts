// Which container engine a pipeline gets: the gateway's, or one that its file names and the operator allows.

import type { PipelineAllowance } from '../../../calls/contract/engines.ts';
import { quote } from '../../../calls/contract/quote.ts';

export interface EngineChoice {
  /** Absent: the gateway's own. */
  readonly host?: string;
  readonly warning?: string;
}

/** DOCKER_HOST in the gateway's environment beats the file, as it does for pin. */
export function chooseEngine(named: string | undefined, { engines }: Pick<PipelineAllowance, 'engines'>, environment: Readonly<Record<string, string | undefined>>): EngineChoice {
  if (named === undefined || (environment['DOCKER_HOST'] ?? '') !== '') return {};
  if (engines.includes(named)) return { host: named };
  return { warning: `docker.host ${quote(named)} is passed over: the operator names the engines that a file may choose by pipelines.engines` };
}
