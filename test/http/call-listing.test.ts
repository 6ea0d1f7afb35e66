// Tests the JSON of a call.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import { callListing } from '../../server/http/call-listing.ts';

const call: Call = {
  name: 'greet',
  kind: 'process',
  needs: ['process'],
  stop: { signal: 'SIGTERM', graceMs: 10_000 },
  params: [
    { name: 'who', schema: { type: 'string' } },
    { name: 'how', default: 'loudly' },
  ],
  body: async () => ({}),
};

describe('the listing of a call', () => {
  it('the listing of a call says which params are required, omits unknown fields, and never contains the body', () => {
    expect(callListing(call, { available: true })).to.deep.equal({
      name: 'greet',
      kind: 'process',
      stop: { signal: 'SIGTERM', graceMs: 10_000 },
      available: true,
      onDisconnect: { default: 'cancel', allow: ['cancel', 'grace:1m'] },
      params: [
        { name: 'who', schema: { type: 'string' }, required: true },
        { name: 'how', default: 'loudly', required: false },
      ],
    });
  });

  it('the listing of a call contains the policies of its runs', () => {
    const policies = {
      concurrency: { limit: 1, by: 'who', queue: 3 },
      retention: { ageMs: 5 },
      stallAfterMs: 0,
      outputBytesMax: 9,
    } as const;
    const onDisconnect = {
      default: { type: 'detach' },
      allow: [{ type: 'grace', graceMs: 90_000 }, { type: 'detach' }],
    } as const;
    expect(callListing({ ...call, ...policies, onDisconnect }, { available: true })).to.deep.include({
      ...policies,
      onDisconnect: { default: 'detach', allow: ['detach', 'grace:90s'] },
    });
  });

  it('the listing of an unavailable call contains the reason', () => {
    expect(
      callListing(
        { ...call, summary: 'Greet', scope: 'admin', timeoutMs: 5 },
        { available: false, reason: 'no engine' },
      ),
    ).to.include({ summary: 'Greet', scope: 'admin', timeoutMs: 5, available: false, reason: 'no engine' });
  });
});
