// Tests the published clients of pow-1, in Node and in a browser, over both endpoints and over HTTP.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { WebSocket } from 'ws';
import { startBrowser, type TestBrowser } from '../helpers/browser.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

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

interface PageRequest {
  readonly call: string;
  readonly params?: readonly string[];
  readonly input?: readonly string[];
  readonly cancelOn?: string;
  readonly cancels?: number;
}

interface PageResult {
  readonly text: string;
  readonly status: string;
  readonly value?: unknown;
  readonly reason?: string;
  readonly results?: number;
}

interface Model {
  converse(socket: typeof WebSocket, url: string, asked: PageRequest): Promise<PageResult>;
  poll(base: string, asked: PageRequest, pollMs?: number): Promise<PageResult>;
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
  afterEach(() => expectIdle(gateway));
  after(async () => {
    await browser.close();
    await gateway.stop();
  });

  const inPage = (expression: string): Promise<PageResult> => page.evaluate(expression);
  const variants: readonly (readonly [string, (asked: PageRequest) => Promise<PageResult>])[] = [
    ...['/api/v1/pow/', '/api/v1/ws'].flatMap(
      (path): (readonly [string, (asked: PageRequest) => Promise<PageResult>])[] => [
        [`of Node, at ${path}`, (asked) => model.converse(WebSocket, gateway.wsUrl.replace('/api/v1/ws', path), asked)],
        [
          `of Chromium, at ${path}`,
          (asked) => inPage(`converse(WebSocket, 'ws://' + location.host + '${path}', ${JSON.stringify(asked)})`),
        ],
      ],
    ),
    ['of Node, by requests', (asked) => model.poll(gateway.url, asked)],
    ['of Chromium, by requests', (asked) => inPage(`poll('', ${JSON.stringify(asked)})`)],
  ];

  for (const [title, ask] of variants) {
    const byRequests = title.endsWith('requests');
    describe(title, () => {
      it('a pow-1 client receives the output, the status and the value', async () => {
        const answer = await ask({ call: 'steps' });
        expect(answer).to.deep.include({
          text: byRequests ? 'one\ntwo\n\nthree' : 'one\ntwo\r\n\nthree',
          status: 'fulfilled',
          value: null,
        });
        if (!byRequests) expect(answer.results).to.equal(1);
        expect(await ask({ call: 'valued' })).to.deep.include({ status: 'fulfilled', value: { answer: 42 } });
      });

      it('a pow-1 client sends input and ends it', async () => {
        expect((await ask({ call: 'cat', input: ['Ada', 'Grace'] })).text).to.equal(
          byRequests ? 'Ada\nGrace' : 'AdaGrace',
        );
      });

      it('a pow-1 client learns why a call failed or was rejected', async () => {
        expect(await ask({ call: 'fail' })).to.include({
          status: 'rejected',
          reason: 'process returned error: exited with code 3',
        });
        expect(await ask({ call: 'none' })).to.include({
          status: 'rejected',
          reason: 'failed to get process: unknown process',
        });
        expect(await ask({ call: 'cat', params: ['x'] })).to.include({
          status: 'rejected',
          reason: 'failed to get process: invalid args',
        });
      });

      it('a pow-1 client cancels a run several times, and nothing is left', async () => {
        expect(await ask({ call: 'family', cancelOn: 'ready', cancels: 3 })).to.include({
          status: 'rejected',
          reason: 'process returned error: cancelled: client requested cancellation',
        });
      });

      if (!byRequests) {
        // Use fewer rounds in Chromium, because it opens connections to one host one after the other.
        const rounds = title.includes('Chromium') ? 1 : 10;
        it(`a pow-1 client makes ${rounds * 20} quick calls and loses none`, async () => {
          for (let round = 0; round < rounds; round++) {
            const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ call: 'cat' })));
            expect(answers.map(({ status }) => status)).to.deep.equal(Array.from({ length: 20 }, () => 'fulfilled'));
          }
        });
      }
    });
  }
});
