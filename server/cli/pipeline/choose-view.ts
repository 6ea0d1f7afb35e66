// Chooses how the run of a pipeline is shown.

import type { Stdio } from '../backend.ts';
import type { View } from '../call/view.ts';
import { hasColour, painter } from '../colors.ts';
import { LiveView, type Screen } from './live-view.ts';
import { createJsonView, createPrefixedView } from './views.ts';

export interface ViewFlags {
  readonly json?: true;
  readonly plain?: true;
  readonly quiet?: true;
  readonly detach?: true;
}

/** The live view redraws the terminal, so both streams have to be shown there. */
export function choosePipelineView(
  { json, plain, quiet, detach }: ViewFlags,
  { stdout, stderr, env }: Pick<Stdio, 'stdout' | 'stderr' | 'env'>,
): View {
  if (json === true) return createJsonView();
  if (detach === true || plain === true || quiet === true || !stdout.isTTY || !stderr.isTTY || env['TERM'] === 'dumb')
    return createPrefixedView();
  return new LiveView(stderr as Screen, painter(hasColour(stderr, env)));
}
