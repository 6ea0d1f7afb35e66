// Everything that a declaration in distillery.yaml can be: the explicit list.

import { containerKind } from './container.ts';
import type { Kind } from './contract/kind.ts';
import { pipelineKind } from './pipeline.ts';
import { processKind } from './process.ts';
import { terminalKind } from './terminal.ts';

export const kinds: readonly Kind[] = [processKind, terminalKind, containerKind, pipelineKind];
