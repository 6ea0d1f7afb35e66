// Route that responds to plain HTTP requests at the path of the websocket. Upgrades never reach it.

import { ApiError } from '../kit/http-error.ts';

/** Source: RFC 9110, section 15.5.22. */
export function ws(): never {
  const text = 'this address speaks websocket only: open it with a websocket client, as ws://…/api/v1/ws';
  throw new ApiError('upgrade_required', text, { Upgrade: 'websocket', Connection: 'Upgrade' });
}
