// Websocket sessions as a feature of the gateway.

import type { Feature } from '../http/kit/feature.ts';
import { withTimeout } from '../support/with-timeout.ts';
import { Sessions, type SessionsDeps } from './sessions.ts';
import { wantsWebsocket } from './upgrade-check.ts';

export function createSessionFeature(deps: SessionsDeps): Feature {
  const sessions = new Sessions(deps);
  return {
    name: 'sessions',
    upgrade(request, socket, head) {
      if (!wantsWebsocket(request)) return false;
      sessions.upgrade(request, socket, head);
      return true;
    },
    status: () => ({ sessions: sessions.size }),
    metrics: () => ({ sessions: sessions.size }),
    drain: () => sessions.drain(),
    // The results are already being sent. Wait for them, but not for clients that have stopped reading.
    close: async () => {
      const { writeStallMs, closeMs } = deps.limits();
      await withTimeout(writeStallMs + closeMs, sessions.waitUntilEmpty(), () => undefined);
      sessions.dispose();
    },
  };
}
