import { expect } from 'chai';
import { checkListen } from '../../server/config/listen.ts';

describe('checkListen', () => {
  for (const [listen, host, port] of [
    ['127.0.0.1:8080', '127.0.0.1', 8080], ['127.255.3.4:1', '127.255.3.4', 1], ['[::1]:0', '::1', 0], ['localhost:65535', 'localhost', 65_535], ['LOCALHOST:80', 'LOCALHOST', 80],
  ] as const) {
    it(`takes ${listen}`, () => expect(checkListen(listen)).to.deep.equal({ ok: true, host, port }));
  }

  for (const listen of ['0.0.0.0:80', '192.168.1.1:80', '[::]:80', '[::ffff:127.0.0.1]:80', 'example.org:80', '127.0.0.1.example.org:80', '127.1:80', '128.0.0.1:80', '*:80']) {
    it(`refuses ${listen} with the reason`, () => {
      expect(checkListen(listen)).to.deep.equal({
        ok: false,
        message: `"${listen}" is not a loopback address; authentication is not available yet, so only 127.0.0.0/8, [::1] and localhost may be used`,
      });
    });
  }

  for (const listen of ['', '8080', ':8080', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:x', '127.0.0.1:-1', '::1:80', '[]:80', 'http://127.0.0.1:80', '127.0.0.1:80/', '127.0.0.1:80\n']) {
    it(`refuses ${JSON.stringify(listen)} as no address`, () => {
      const checked = checkListen(listen);
      expect(checked.ok ? '' : checked.message).to.contain(`${JSON.stringify(listen)} is not an address to listen on; write host:port`);
    });
  }
});
