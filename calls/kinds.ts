// The list of all call kinds that distillery.yaml can declare.

import { containerKind } from './container.ts';
import type { Kind } from './contract/kind.ts';
import { pipelineKind } from './pipeline.ts';
import { processKind } from './process.ts';
import { terminalKind } from './terminal.ts';

export const kinds: readonly Kind[] = [processKind, terminalKind, containerKind, pipelineKind];
