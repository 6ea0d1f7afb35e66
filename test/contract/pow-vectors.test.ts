// The gateway, held against test/vectors/pow-1.json: at both endpoints, and by requests where a case can be said in requests.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { sessionEndings } from '../../protocol/close-codes.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { sayable, playByRequests } from './pow-requests.ts';
import { left, play } from './vector-play.ts';
import { configurationOf, readVectors } from './vectors.ts';

const vectors = readVectors('pow-1.json');
const { endpoints, subprotocol } = vectors;
const yaml = configurationOf(vectors, fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url)));

describe('the vectors of pow-1', () => {
  let shared: TestGateway;
  before(async () => { shared = await startTestGateway(yaml); });
  after(() => shared.stop());

  it('have a case for every way a session can end', () => {
    const known = Object.keys(sessionEndings).filter((name) => name !== 'refused' && name !== 'detached');
    expect([...new Set(vectors.cases.map(({ situation }) => situation))].sort()).to.deep.equal([...known, 'gone'].sort());
  });

  it('end with 1000, but for broken frames', () => {
    const codes: Readonly<Record<string, number>> = { 'bad-frame': 1002, 'not-utf8': 1007 };
    for (const { name, situation, close } of vectors.cases) if (situation !== 'gone') expect(close.code, name).to.equal(codes[situation] ?? 1000);
  });

  for (const path of endpoints) {
    describe(`at ${path}`, () => {
      for (const spoken of vectors.cases) {
        for (const [at, each] of (spoken.each ?? [undefined]).entries()) {
          it(`${spoken.situation}: ${spoken.name}${spoken.each === undefined ? '' : `, ${at + 1} of ${spoken.each.length}`}`, async () => {
            const stops = spoken.steps.some((step) => 'server' in step);
            const gateway = stops ? await startTestGateway(yaml) : shared;
            try {
              await play(gateway, spoken, { path, subprotocol, each });
              if (!stops) await left(gateway);
            } finally {
              if (stops) await gateway.stop();
            }
          });
        }
      }
    });
  }

  describe('by requests', () => {
    for (const spoken of vectors.cases.filter(sayable)) {
      for (const [at, each] of (spoken.each ?? [undefined]).entries()) {
        it(`${spoken.situation}: ${spoken.name}${spoken.each === undefined ? '' : `, ${at + 1} of ${spoken.each.length}`}`, async () => {
          await playByRequests(shared, spoken, each);
          await left(shared);
        });
      }
    }

    it('are most of those that a websocket is not needed for', () => {
      expect(vectors.cases.filter(sayable).length).to.be.at.least(30);
    });
  });
});
