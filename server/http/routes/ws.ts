// Somebody asks by plain HTTP where only websockets are spoken. Upgrades never come here.

import { Refusal } from '../refusal.ts';

/** Source: RFC 9110, section 15.5.22. */
export function ws(): never {
  const text = 'this address speaks websocket only: open it with a websocket client, as ws://…/api/v1/ws';
  throw new Refusal('upgrade_required', text, { Upgrade: 'websocket', Connection: 'Upgrade' });
}
