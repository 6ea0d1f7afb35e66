// Tests which Origin headers the gateway accepts.

import { expect } from 'chai';
import { checkOrigin } from '../../server/auth/origins.ts';

const origins = ['https://app.example.org', 'http://other.example:3000', 'chrome-extension://abcdef'];

const accepted: readonly (readonly [origin: string | undefined, host: string | undefined])[] = [
  [undefined, 'localhost:8080'],
  [undefined, undefined],
  ['http://localhost:8080', 'localhost:8080'],
  ['http://LOCALHOST:8080', 'localhost:8080'],
  ['https://gate.example.org', 'gate.example.org'],
  ['https://gate.example.org', 'gate.example.org:443'],
  ['http://gate.example.org:80', 'gate.example.org'],
  ['http://[::1]:8080', '[::1]:8080'],
  ['https://app.example.org', 'localhost:8080'],
  ['https://app.example.org:443', 'localhost:8080'],
  ['HTTPS://APP.example.org', 'localhost:8080'],
  ['http://other.example:3000', 'localhost:8080'],
  ['chrome-extension://abcdef', 'localhost:8080'],
];

const rejected: readonly (readonly [origin: string, host: string | undefined])[] = [
  ['null', 'localhost:8080'],
  ['null', 'null'],
  ['', 'localhost:8080'],
  ['http://evil.example', 'localhost:8080'],
  ['http://localhost:3000', 'localhost:8080'],
  ['http://localhost', 'localhost:8080'],
  ['http://localhost:8080', undefined],
  ['http://localhost:8080.evil.example', 'localhost:8080'],
  ['http://localhost:8080@evil.example', 'localhost:8080'],
  ['http://localhost:8080/path', 'localhost:8080'],
  ['http://localhost:8080, http://evil.example', 'localhost:8080'],
  ['http://app.example.org', 'localhost:8080'],
  ['https://app.example.org.evil.example', 'localhost:8080'],
  ['https://xapp.example.org', 'localhost:8080'],
  ['chrome-extension://other', 'other'],
  ['file://', 'localhost:8080'],
  ['localhost:8080', 'localhost:8080'],
  ['*', 'localhost:8080'],
];

describe('the check of the Origin header', () => {
  for (const [origin, host] of accepted)
    it(`the origin ${origin} is accepted at host ${host}`, () => {
      expect(checkOrigin({ origin, host }, { origins })).to.deep.equal({ accepted: true });
    });

  for (const [origin, host] of rejected)
    it(`the origin "${origin}" is rejected at host ${host}`, () => {
      expect(checkOrigin({ origin, host }, { origins })).to.have.property('rejected').that.contains('http.origins');
    });

  it('an origin other than the host is rejected if no origins are listed', () => {
    expect(checkOrigin({ origin: 'https://app.example.org', host: 'localhost' }, { origins: [] })).to.have.property(
      'rejected',
    );
  });
});
