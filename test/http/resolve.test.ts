// Tests how a URI is resolved by the configured prefixes.

import { expect } from 'chai';
import type { Caller } from '../../calls/contract/context.ts';
import { fakeConfig, fakeDeps, serve, type TestServer } from '../helpers/http/test-server.ts';

const rules = [
  { prefix: 'https://data.example.org/', target: 'https://data.example.org/get?uri=${uri}' },
  { prefix: 'https://data.example.org/herbarium/', target: 'https://herbarium.example.org/wisski/get?uri=${uri}#x' },
  { prefix: 'urn:old:', target: 'https://new.example.org/old/${rest}' },
];

async function withServer<T>(caller: Caller, work: (serving: TestServer) => Promise<T>): Promise<T> {
  const deps = fakeDeps({ config: () => fakeConfig({}, { resolve: rules }) });
  const serving = await serve({ ...deps, access: { ...deps.access, identify: () => ({ caller }) } });
  try {
    return await work(serving);
  } finally {
    await serving.close();
  }
}

const everyone: Caller = { user: '', token: false, scopes: ['*'] };
const paths = ['/api/v1/http/resolve', '/api/v1/resolve', '/api/v1/http/resolve/'];

describe('the route resolve', () => {
  for (const [uri, target] of [
    [
      'https://data.example.org/herbarium/rosa?a=b#d',
      'https://herbarium.example.org/wisski/get?uri=https%3A%2F%2Fdata.example.org%2Fherbarium%2Frosa%3Fa%3Db%23d#x',
    ],
    [
      'https://data.example.org/herbarium',
      'https://data.example.org/get?uri=https%3A%2F%2Fdata.example.org%2Fherbarium',
    ],
    ['https://data.example.org/', 'https://data.example.org/get?uri=https%3A%2F%2Fdata.example.org%2F'],
    ['https://data.example.org/ä b', 'https://data.example.org/get?uri=https%3A%2F%2Fdata.example.org%2F%C3%A4%20b'],
    ['urn:old:a/b c?d', 'https://new.example.org/old/a/b%20c?d'],
    ['urn:old:${uri}', 'https://new.example.org/old/$%7Buri%7D'],
    ['urn:old:../../\\\\evil.example/', 'https://new.example.org///evil.example/'],
  ] as const)
    it(`W5: resolve returns the address of the longest matching prefix, for ${uri}`, () =>
      withServer(everyone, async (serving) => {
        for (const path of paths) {
          const answer = await serving.request(`${path}?uri=${encodeURIComponent(uri)}`);
          expect(answer.status).to.equal(200);
          expect(answer.json()).to.equal(target);
        }
      }));

  it('W5: resolve answers 400 without a uri and 404 without a matching prefix', () =>
    withServer(everyone, async (serving) => {
      for (const path of paths) {
        for (const query of ['', '?uri=', '?uri', '?URI=urn:old:a', '?uri=urn:old:a&uri=urn:old:b'])
          expect((await serving.request(path + query)).status, query).to.equal(400);
        for (const uri of ['https://data.example.organic/', 'HTTPS://data.example.org/', 'urn:older:a', 'x', '%00'])
          expect((await serving.request(`${path}?uri=${uri}`)).status, uri).to.equal(404);
      }
    }));

  it('W5: resolve requires the scope url.resolve, which every login holds but a token must list', async () => {
    const ask = (caller: Caller): Promise<readonly number[]> =>
      withServer(caller, (serving) =>
        Promise.all(paths.map(async (path) => (await serving.request(`${path}?uri=urn:old:a`)).status)),
      );
    expect(await ask({ user: '', token: false, scopes: [] })).to.deep.equal([401, 403, 401]);
    expect(await ask({ user: 'ada', token: true, scopes: [] })).to.deep.equal([403, 403, 403]);
    expect(await ask({ user: 'ada', token: true, scopes: ['url.resolve'] })).to.deep.equal([200, 200, 200]);
    expect(await ask({ user: 'ada', token: false, scopes: [] })).to.deep.equal([200, 200, 200]);
  });

  it('W5: HEAD and OPTIONS of resolve behave as on every route', () =>
    withServer(everyone, async (serving) => {
      const head = await serving.request('/api/v1/http/resolve?uri=urn:old:a', { method: 'HEAD' });
      expect([head.status, head.body]).to.deep.equal([200, '']);
      expect((await serving.request('/api/v1/http/resolve', { method: 'OPTIONS' })).status).to.equal(204);
      expect((await serving.request('/api/v1/http/resolve', { method: 'POST' })).status).to.equal(405);
    }));
});
