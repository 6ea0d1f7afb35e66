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

/** Returns the live view only if both streams are terminals, because that view redraws the screen. */
export function choosePipelineView(
  { json, plain, quiet, detach }: ViewFlags,
  { stdout, stderr, env }: Pick<Stdio, 'stdout' | 'stderr' | 'env'>,
): View {
  if (json === true) return createJsonView();
  if (detach === true || plain === true || quiet === true || !stdout.isTTY || !stderr.isTTY || env['TERM'] === 'dumb')
    return createPrefixedView();
  return new LiveView(stderr as Screen, painter(hasColour(stderr, env)));
}
