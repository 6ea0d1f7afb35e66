// Tests which Host headers the gateway accepts.

import { expect } from 'chai';
import { checkHost } from '../../server/auth/hosts.ts';

const rules = { listenHost: '127.0.0.1', domains: ['Gate.Example.org', 'fixed.example.org:8443'] };

const answered = [
  'localhost',
  'localhost:8080',
  'LOCALHOST:1',
  'localhost.',
  'app.localhost',
  'a.b.localhost:99',
  '127.0.0.1',
  '127.0.0.1:8080',
  '127.255.3.9',
  '[::1]',
  '[::1]:8080',
  'gate.example.org',
  'GATE.example.ORG',
  'gate.example.org:443',
  'gate.example.org.:443',
  'fixed.example.org:8443',
];

const unanswered = [
  undefined,
  '',
  'evil.example',
  'evil.example:8080',
  'localhost.evil.example',
  'evillocalhost',
  '127.0.0.1.evil.example',
  '127.0.0.256',
  '128.0.0.1',
  '10.0.0.1',
  '0.0.0.0',
  '[::2]',
  '[::]',
  'gate.example.org.evil',
  'xgate.example.org',
  'fixed.example.org',
  'fixed.example.org:8080',
  'localhost:port',
  'localhost:',
  'user@localhost',
  'localhost/x',
  'localhost, evil.example',
  ' localhost',
  '::1',
  'localhost..',
  `${'a'.repeat(100_000)}!`,
];

describe('the check of the Host header', () => {
  for (const host of answered)
    it(`the gateway accepts the host ${JSON.stringify(host)}`, () => {
      expect(checkHost(host, rules)).to.deep.equal({ accepted: true });
    });

  for (const host of unanswered)
    it(`the gateway rejects the host ${JSON.stringify(host?.slice(0, 40))}`, () => {
      expect(checkHost(host, rules)).to.have.property('rejected');
    });

  it('the gateway accepts its listen address as host', () => {
    expect(checkHost('10.1.2.3:8080', { listenHost: '10.1.2.3', domains: [] })).to.have.property('accepted');
    expect(checkHost('[FD00::1]:8080', { listenHost: 'fd00::1', domains: [] })).to.have.property('accepted');
  });

  it('the error for a rejected host quotes the start of the host and names the setting to change', () => {
    const rejected = checkHost(`evil.example${'x'.repeat(1000)}`, rules);
    expect(rejected)
      .to.have.property('rejected')
      .that.contains('"evil.example')
      .and.contains('http.domains')
      .and.has.length.below(300);
  });
});
