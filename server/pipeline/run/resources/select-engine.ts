// Selects the container engine of a pipeline: the gateway's own, or the one that the file names if the operator allows
// it.

import type { PipelinePermissions } from '../../../../calls/contract/engines.ts';
import { quote } from '../../../../calls/text/quote.ts';

export interface EngineChoice {
  /** Absent: the gateway's own engine is used. */
  readonly host?: string;
  readonly warning?: string;
}

/**
 * `named` is the engine that the file names. DOCKER_HOST in the gateway's environment has priority over it, as in pin.
 */
export function selectEngine(
  named: string | undefined,
  { engines }: Pick<PipelinePermissions, 'engines'>,
  environment: Readonly<Record<string, string | undefined>>,
): EngineChoice {
  if (named === undefined) return {};
  const ofGateway = environment['DOCKER_HOST'] ?? '';
  if (ofGateway === named) return {};
  if (ofGateway !== '')
    return {
      warning: `docker.host ${quote(named)} is ignored: DOCKER_HOST in the gateway's environment takes precedence`,
    };
  if (engines.includes(named)) return { host: named };
  const rule = 'the operator lists the engines that a file may choose under pipelines.engines';
  return { warning: `docker.host ${quote(named)} is ignored: ${rule}` };
}
