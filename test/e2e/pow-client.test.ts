// What the published clients of pow-1 do, in Node and in a browser, over both endpoints and by requests.

import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { WebSocket } from 'ws';
import { startBrowser, type TestBrowser } from '../helpers/browser.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';

const source = new URL('../fixtures/pow-client.js', import.meta.url);
const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
limits: { graceMs: 500ms }
calls:
  steps: { process: [sh, -c, 'printf "one\\ntwo\\r\\n\\nthree"'] }
  cat: { process: [cat] }
  fail: { process: [sh, -c, 'echo bad; exit 3'] }
  family: { process: [sh, -c, '(trap "" TERM; sleep 60) & setsid sleep 60 & echo ready; wait'] }
`;

interface Asked {
  readonly call: string;
  readonly params?: readonly string[];
  readonly input?: readonly string[];
  readonly cancelOn?: string;
  readonly cancels?: number;
}

interface Told {
  readonly text: string;
  readonly status: string;
  readonly value?: unknown;
  readonly reason?: string;
  readonly results?: number;
}

interface Model {
  converse(socket: typeof WebSocket, url: string, asked: Asked): Promise<Told>;
  poll(base: string, asked: Asked, pollMs?: number): Promise<Told>;
}

describe('a published client of pow-1', function () {
  this.timeout(120_000);
  let gateway: TestGateway;
  let browser: TestBrowser;
  let page: Page;
  let model: Model;
  before(async () => {
    model = (await import(source.href)) as Model;
    [browser, gateway] = await Promise.all([startBrowser(), startTestGateway(yaml)]);
    page = await browser.context.newPage();
    await page.goto(`${gateway.url}/healthz`);
    await page.addScriptTag({ content: (await readFile(source, 'utf8')).replaceAll('export ', '') });
  });
  afterEach(() => settled(gateway));
  after(async () => {
    await browser.close();
    await gateway.stop();
  });

  const inPage = (expression: string): Promise<Told> => page.evaluate(expression);
  const ways: readonly (readonly [string, (asked: Asked) => Promise<Told>])[] = [
    ...['/api/v1/pow/', '/api/v1/ws'].flatMap((path): (readonly [string, (asked: Asked) => Promise<Told>])[] => [
      [`of Node, at ${path}`, (asked) => model.converse(WebSocket, gateway.wsUrl.replace('/api/v1/ws', path), asked)],
      [`of Chromium, at ${path}`, (asked) => inPage(`converse(WebSocket, 'ws://' + location.host + '${path}', ${JSON.stringify(asked)})`)],
    ]),
    ['of Node, by requests', (asked) => model.poll(gateway.url, asked)],
    ['of Chromium, by requests', (asked) => inPage(`poll('', ${JSON.stringify(asked)})`)],
  ];

  for (const [title, ask] of ways) {
    const byRequests = title.endsWith('requests');
    describe(title, () => {
      it('has the output as it was printed, and the value', async () => {
        const told = await ask({ call: 'steps' });
        expect(told).to.deep.include({ text: byRequests ? 'one\ntwo\n\nthree' : 'one\ntwo\r\n\nthree', status: 'fulfilled', value: null });
        if (!byRequests) expect(told.results).to.equal(1);
        expect(await ask({ call: 'valued' })).to.deep.include({ status: 'fulfilled', value: { answer: 42 } });
      });

      it('feeds a call and ends its input', async () => {
        expect((await ask({ call: 'cat', input: ['Ada', 'Grace'] })).text).to.equal(byRequests ? 'Ada\nGrace' : 'AdaGrace');
      });

      it('is told why a call failed, or was refused', async () => {
        expect(await ask({ call: 'fail' })).to.include({ status: 'rejected', reason: 'process returned error: exited with code 3' });
        expect(await ask({ call: 'none' })).to.include({ status: 'rejected', reason: 'failed to get process: unknown process' });
        expect(await ask({ call: 'cat', params: ['x'] })).to.include({ status: 'rejected', reason: 'failed to get process: invalid args' });
      });

      it('cancels, several times, and nothing is left', async () => {
        expect(await ask({ call: 'family', cancelOn: 'ready', cancels: 3 })).to.include({
          status: 'rejected', reason: 'process returned error: cancelled: client requested cancellation',
        });
      });

      if (!byRequests) {
        // Chromium itself makes connections to one place slowly, one after the other.
        const rounds = title.includes('Chromium') ? 1 : 10;
        it(`makes ${rounds * 20} quick calls, and loses none`, async () => {
          for (let round = 0; round < rounds; round++) {
            const told = await Promise.all(Array.from({ length: 20 }, () => ask({ call: 'cat' })));
            expect(told.map(({ status }) => status)).to.deep.equal(Array.from({ length: 20 }, () => 'fulfilled'));
          }
        });
      }
    });
  }
});
