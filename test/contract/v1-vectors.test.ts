// Runs the gateway against test/vectors/v1.json, which contains every situation of the documented protocol, frame by
// frame.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { sessionEndings } from '../../protocol/close-codes.ts';
import { runVector, waitUntilIdle } from '../helpers/contract/run-vector.ts';
import { buildConfiguration, caseTitle, readVectors } from '../helpers/contract/wire-vectors.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

const vectors = readVectors('v1.json');
const yaml = buildConfiguration(vectors, fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url)));

describe('the v1 vectors', () => {
  let shared: TestGateway;
  before(async () => {
    shared = await startTestGateway(yaml);
  });
  after(() => shared.stop());

  it('every session ending has a v1 vector', () => {
    // The vectors omit two endings: the texts of `rejected` depend on the call, and v1 has no detach.
    const known = Object.keys(sessionEndings).filter((name) => name !== 'rejected' && name !== 'detached');
    expect([...new Set(vectors.cases.map(({ situation }) => situation))].sort()).to.deep.equal(
      [...known, 'disconnected'].sort(),
    );
  });

  it('the v1 vectors use the codes of the table of endings', () => {
    for (const { name, situation, close } of vectors.cases) {
      if (situation !== 'disconnected')
        expect(sessionEndings[situation as keyof typeof sessionEndings].closeCode, name).to.equal(close.code);
    }
  });

  for (const vector of vectors.cases) {
    for (const [at, each] of (vector.each ?? [undefined]).entries()) {
      it(caseTitle(vector, at), async () => {
        const stops = vector.steps.some((step) => 'server' in step);
        const gateway = stops ? await startTestGateway(yaml) : shared;
        try {
          await runVector(gateway, vector, { path: vectors.endpoint, each });
          if (!stops) await waitUntilIdle(gateway);
        } finally {
          if (stops) await gateway.stop();
        }
      });
    }
  }
});
