// Runs the gateway against test/vectors/pow-1.json: at both endpoints, and over HTTP if requests can express the case.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { sessionEndings } from '../../protocol/close-codes.ts';
import { isExpressibleInPow, runVectorByRequests } from '../helpers/contract/pow-requests.ts';
import { runVector, waitUntilIdle } from '../helpers/contract/run-vector.ts';
import { buildConfiguration, caseTitle, readVectors } from '../helpers/contract/wire-vectors.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

const vectors = readVectors('pow-1.json');
const { endpoints, subprotocol } = vectors;
const yaml = buildConfiguration(vectors, fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url)));

describe('the pow-1 vectors', () => {
  let shared: TestGateway;
  before(async () => {
    shared = await startTestGateway(yaml);
  });
  after(() => shared.stop());

  it('every session ending has a pow-1 vector', () => {
    const known = Object.keys(sessionEndings).filter((name) => name !== 'rejected' && name !== 'detached');
    expect([...new Set(vectors.cases.map(({ situation }) => situation))].sort()).to.deep.equal(
      [...known, 'disconnected'].sort(),
    );
  });

  it('pow-1 sessions end with the code 1000, except after broken frames', () => {
    const codes: Readonly<Record<string, number>> = { 'bad-frame': 1002, 'not-utf8': 1007 };
    for (const { name, situation, close } of vectors.cases)
      if (situation !== 'disconnected') expect(close.code, name).to.equal(codes[situation] ?? 1000);
  });

  for (const path of endpoints) {
    describe(`the pow-1 vectors at ${path}`, () => {
      for (const vector of vectors.cases) {
        for (const [at, each] of (vector.each ?? [undefined]).entries()) {
          it(caseTitle(vector, at), async () => {
            const stops = vector.steps.some((step) => 'server' in step);
            const gateway = stops ? await startTestGateway(yaml) : shared;
            try {
              await runVector(gateway, vector, { path, subprotocol, each });
              if (!stops) await waitUntilIdle(gateway);
            } finally {
              if (stops) await gateway.stop();
            }
          });
        }
      }
    });
  }

  describe('the pow-1 vectors over HTTP', () => {
    for (const vector of vectors.cases.filter(isExpressibleInPow)) {
      for (const [at, each] of (vector.each ?? [undefined]).entries()) {
        it(caseTitle(vector, at), async () => {
          await runVectorByRequests(shared, vector, each);
          await waitUntilIdle(shared);
        });
      }
    }

    it('at least 30 pow-1 vectors also run over HTTP', () => {
      expect(vectors.cases.filter(isExpressibleInPow).length).to.be.at.least(30);
    });
  });
});
