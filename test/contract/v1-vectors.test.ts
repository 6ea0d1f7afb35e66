// The gateway, held against test/vectors/v1.json: every situation of the documented protocol, frame by frame.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { sessionEndings } from '../../protocol/close-codes.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { left, play } from './vector-play.ts';
import { configurationOf, readVectors } from './vectors.ts';

const vectors = readVectors('v1.json');
const yaml = configurationOf(vectors, fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url)));

describe('the vectors of v1', () => {
  let shared: TestGateway;
  before(async () => { shared = await startTestGateway(yaml); });
  after(() => shared.stop());

  it('have a case for every way a session can end', () => {
    // `refused` has texts of the call's own, and nobody can leave by `detached` in v1; the vectors know neither.
    const known = Object.keys(sessionEndings).filter((name) => name !== 'refused' && name !== 'detached');
    expect([...new Set(vectors.cases.map(({ situation }) => situation))].sort()).to.deep.equal([...known, 'gone'].sort());
  });

  it('set the codes that the table of endings has', () => {
    for (const { name, situation, close } of vectors.cases) {
      if (situation !== 'gone') expect(sessionEndings[situation as keyof typeof sessionEndings].closeCode, name).to.equal(close.code);
    }
  });

  for (const spoken of vectors.cases) {
    for (const [at, each] of (spoken.each ?? [undefined]).entries()) {
      it(`${spoken.situation}: ${spoken.name}${spoken.each === undefined ? '' : `, ${at + 1} of ${spoken.each.length}`}`, async () => {
        const stops = spoken.steps.some((step) => 'server' in step);
        const gateway = stops ? await startTestGateway(yaml) : shared;
        try {
          await play(gateway, spoken, { path: vectors.endpoint, each });
          if (!stops) await left(gateway);
        } finally {
          if (stops) await gateway.stop();
        }
      });
    }
  }
});
