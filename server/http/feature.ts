// The JSON API as a feature of the gateway.

import { withTimeout } from '../support/with-timeout.ts';
import type { HttpDeps } from './deps.ts';
import { createJsonApi } from './json-api.ts';
import type { Feature } from './kit/feature.ts';
import { RunStreams } from './sse/run-streams.ts';

export function createHttpFeature(deps: Omit<HttpDeps, 'streams'>): Feature {
  const { config, log } = deps;
  const limits = () => config().limits;
  const streams = new RunStreams({ limits, isEnabled: () => config().http.api, log });
  return {
    name: 'http',
    routes: createJsonApi({ ...deps, streams }),
    metrics: () => ({ streams: streams.size, streamBytes: streams.waitingBytes }),
    drain: () => streams.drain(),
    // Waits until the clients have received the last events, but not for a client that stalls.
    close: async () => {
      await withTimeout(limits().writeStallMs + limits().closeMs, streams.empty(), () => undefined);
      streams.close();
    },
  };
}
