// Tests the WebSocket of a real browser, in a page of the gateway and in pages of other origins.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { startBrowser, type TestBrowser } from '../helpers/browser.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import {
  type Conversation,
  describeDisconnectingClient,
  describeStayingClient,
  type V1Client,
  yaml,
} from '../helpers/websocket/v1-client-suites.ts';

/** What the script of the page stores for the test. */
interface PageConversation {
  readonly ws: WebSocket;
  readonly texts: string[];
  readonly results: unknown[];
  readonly ended: Promise<{ readonly code: number; readonly clean: boolean }>;
}

type Window = typeof globalThis & { conversation: PageConversation };

describe('a browser at the websocket', function () {
  this.timeout(60_000);
  let browser: TestBrowser;
  let gateway: TestGateway;
  before(async () => {
    [browser, gateway] = await Promise.all([startBrowser(), startTestGateway(yaml)]);
  });
  after(async () => {
    await browser.close();
    await gateway.stop();
  });

  const leaving: readonly (readonly [string, (page: Page) => Promise<unknown>])[] = [
    ['closes its socket', (page) => page.evaluate(() => (window as unknown as Window).conversation.ws.close())],
    ['closes its tab', (page) => page.close()],
    ['goes to another page', (page) => page.goto(`${gateway.url}/readyz`)],
  ];
  describeStayingClient({
    gateway: () => gateway,
    connect: async () => createPageClient(await openPage(browser, gateway), (page) => page.close()),
  });
  for (const [manner, leave] of leaving) {
    describeDisconnectingClient(manner, {
      gateway: () => gateway,
      connect: async () => createPageClient(await openPage(browser, gateway), leave),
    });
  }

  it('a browser can use distillery.v2', async () => {
    const page = await openPage(browser, gateway, ['distillery.v2']);
    await page.evaluate(() =>
      (window as unknown as Window).conversation.ws.send(new TextEncoder().encode('{"call":"fail"}')),
    );
    const { results, code } = await conversation(page);
    expect(results[0]).to.have.nested.property('run.state', 'queued');
    expect(results[1]).to.have.nested.property('run.state', 'running');
    expect(results.at(-1)).to.include({ success: false, status: 'failed', exitCode: 3 });
    expect(code).to.equal(1000);
    await page.close();
    await expectIdle(gateway);
  });

  it('a browser in a page of another origin is rejected', async () => {
    const otherOrigin = createServer((_request, response) =>
      response.setHeader('Content-Type', 'text/html').end('<p>elsewhere'),
    ).listen(0, '127.0.0.1');
    await once(otherOrigin, 'listening');
    const page = await browser.context.newPage();
    await page.goto(`http://127.0.0.1:${(otherOrigin.address() as AddressInfo).port}/`);
    for (const protocols of [[], ['distillery.v2']]) {
      expect(await tryOpen(page, gateway.wsUrl, protocols)).to.equal('rejected');
    }
    await page.close();
    otherOrigin.closeAllConnections();
    otherOrigin.close();
    await expectIdle(gateway);
  });

  it('a browser in a page without an origin is rejected', async () => {
    const page = await browser.context.newPage();
    await page.goto('data:text/html,<p>nowhere');
    expect(await tryOpen(page, gateway.wsUrl, [])).to.equal('rejected');
    await page.close();
  });
});

/** Opens a page of the gateway's own origin, which opens a websocket. */
async function openPage(browser: TestBrowser, gateway: TestGateway, protocols: readonly string[] = []): Promise<Page> {
  const page = await browser.context.newPage();
  await page.goto(`${gateway.url}/healthz`);
  await page.evaluate(
    async (offered) => {
      const ws = new WebSocket(`ws://${location.host}/api/v1/ws`, offered);
      ws.binaryType = 'arraybuffer';
      const texts: string[] = [];
      const results: unknown[] = [];
      ws.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
        if (typeof data === 'string') texts.push(data);
        else results.push(JSON.parse(new TextDecoder().decode(data)));
      });
      const ended = new Promise<{ code: number; clean: boolean }>((resolve) => {
        ws.addEventListener('close', ({ code, wasClean }) => resolve({ code, clean: wasClean }));
      });
      await new Promise((resolve, reject) => {
        ws.addEventListener('open', resolve);
        ws.addEventListener('error', () => reject(new Error('rejected')));
      });
      Object.assign(window, { conversation: { ws, texts, results, ended } });
    },
    [...protocols],
  );
  return page;
}

function createPageClient(page: Page, leave: (page: Page) => Promise<unknown>): V1Client {
  return {
    send: (message) =>
      page.evaluate((text) => {
        const { ws } = (window as unknown as Window).conversation;
        if (typeof text === 'string') ws.send(text);
        else ws.send(new Blob([JSON.stringify(text)]));
      }, message),
    async waitForText(text) {
      await page.waitForFunction((wanted) => (window as unknown as Window).conversation.texts.includes(wanted), text, {
        polling: 20,
      });
    },
    async readToEnd() {
      const received = await conversation(page);
      await page.close();
      return received;
    },
    async disconnect() {
      await leave(page);
      if (!page.isClosed()) await page.close();
    },
  };
}

function conversation(page: Page): Promise<Conversation> {
  return page.evaluate(async () => {
    const { texts, results, ended } = (window as unknown as Window).conversation;
    return { texts, results, ...(await ended) };
  });
}

function tryOpen(page: Page, url: string, protocols: readonly string[]): Promise<'opened' | 'rejected'> {
  return page.evaluate(
    ([to, offered]) =>
      new Promise<'opened' | 'rejected'>((resolve) => {
        const ws = new WebSocket(to, offered);
        ws.onopen = () => resolve('opened');
        ws.onclose = () => resolve('rejected');
      }),
    [url, [...protocols]] as [string, string[]],
  );
}
