// Tests how listen addresses are parsed and checked.

import { expect } from 'chai';
import { checkListen } from '../../../server/config/schema/listen.ts';

describe('checkListen', () => {
  for (const [listen, host, port] of [
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['127.255.3.4:1', '127.255.3.4', 1],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
    ['LOCALHOST:80', 'LOCALHOST', 80],
  ] as const) {
    it(`checkListen accepts ${listen}`, () => expect(checkListen(listen)).to.deep.equal({ ok: true, host, port }));
  }

  for (const listen of [
    '0.0.0.0:80',
    '192.168.1.1:80',
    '[::]:80',
    '[::ffff:127.0.0.1]:80',
    'example.org:80',
    '127.0.0.1.example.org:80',
    '127.1:80',
    '128.0.0.1:80',
    '*:80',
  ]) {
    it(`checkListen rejects ${listen} with the reason`, () => {
      expect(checkListen(listen)).to.deep.equal({
        ok: false,
        message:
          `"${listen}" is not a loopback address; authentication is not available yet, so use ` +
          '127.0.0.0/8, [::1] or localhost',
      });
    });
  }

  for (const listen of [
    '',
    '8080',
    ':8080',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:x',
    '127.0.0.1:-1',
    '::1:80',
    '[]:80',
    'http://127.0.0.1:80',
    '127.0.0.1:80/',
    '127.0.0.1:80\n',
  ]) {
    it(`checkListen rejects ${JSON.stringify(listen)} as an address`, () => {
      const checked = checkListen(listen);
      expect(checked.ok ? '' : checked.message).to.contain(
        `${JSON.stringify(listen)} is not a listen address; write host:port`,
      );
    });
  }
});
