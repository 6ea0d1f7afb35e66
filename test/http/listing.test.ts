import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import { callListing } from '../../server/http/listing.ts';

const call: Call = {
  name: 'greet', kind: 'process', needs: ['process'], stop: { signal: 'SIGTERM', graceMs: 10_000 },
  params: [{ name: 'who', schema: { type: 'string' } }, { name: 'how', default: 'loudly' }],
  body: async () => ({}),
};

describe('http: a call as it is listed', () => {
  it('says which params are required, leaves out what is unknown, and never shows the body', () => {
    expect(callListing(call, { available: true })).to.deep.equal({
      name: 'greet', kind: 'process', stop: { signal: 'SIGTERM', graceMs: 10_000 }, available: true,
      params: [{ name: 'who', schema: { type: 'string' }, required: true }, { name: 'how', default: 'loudly', required: false }],
    });
  });

  it('says why it is not available', () => {
    expect(callListing({ ...call, summary: 'Greet', scope: 'admin', timeoutMs: 5 }, { available: false, reason: 'no engine' }))
      .to.include({ summary: 'Greet', scope: 'admin', timeoutMs: 5, available: false, reason: 'no engine' });
  });
});
