// The browser's own WebSocket, in a page of the gateway and in pages of others.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { startBrowser, type TestBrowser } from '../helpers/browser.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';
import { leaves, stays, yaml, type Client, type Conversation } from './clients.ts';

/** What the script of the page keeps. */
interface Talk {
  readonly ws: WebSocket;
  readonly texts: string[];
  readonly results: unknown[];
  readonly ended: Promise<{ readonly code: number; readonly clean: boolean }>;
}

type Window = typeof globalThis & { talk: Talk };

describe('a browser', function () {
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
    ['closes its socket', (page) => page.evaluate(() => (window as unknown as Window).talk.ws.close())],
    ['closes its tab', (page) => page.close()],
    ['goes to another page', (page) => page.goto(`${gateway.url}/readyz`)],
  ];
  stays({ gateway: () => gateway, open: async () => clientOf(await pageOf(browser, gateway), (page) => page.close()) });
  for (const [manner, leave] of leaving) {
    leaves(manner, { gateway: () => gateway, open: async () => clientOf(await pageOf(browser, gateway), leave) });
  }

  it('speaks distillery.v2', async () => {
    const page = await pageOf(browser, gateway, ['distillery.v2']);
    await page.evaluate(() => (window as unknown as Window).talk.ws.send(new TextEncoder().encode('{"call":"fail"}')));
    const { results, code } = await conversation(page);
    expect(results[0]).to.have.nested.property('run.state', 'queued');
    expect(results[1]).to.have.nested.property('run.state', 'running');
    expect(results.at(-1)).to.include({ success: false, status: 'failed', exitCode: 3 });
    expect(code).to.equal(1000);
    await page.close();
    await settled(gateway);
  });

  it('is refused in a page of another origin', async () => {
    const foreign = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<p>elsewhere')).listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    const page = await browser.context.newPage();
    await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
    for (const protocols of [[], ['distillery.v2']]) {
      expect(await opens(page, gateway.wsUrl, protocols)).to.equal('refused');
    }
    await page.close();
    foreign.closeAllConnections();
    foreign.close();
    await settled(gateway);
  });

  it('is refused in a page without an origin', async () => {
    const page = await browser.context.newPage();
    await page.goto('data:text/html,<p>nowhere');
    expect(await opens(page, gateway.wsUrl, [])).to.equal('refused');
    await page.close();
  });
});

/** A page of the gateway's own origin, with a websocket that is open. */
async function pageOf(browser: TestBrowser, gateway: TestGateway, protocols: readonly string[] = []): Promise<Page> {
  const page = await browser.context.newPage();
  await page.goto(`${gateway.url}/healthz`);
  await page.evaluate(async (offered) => {
    const ws = new WebSocket(`ws://${location.host}/api/v1/ws`, offered);
    ws.binaryType = 'arraybuffer';
    const texts: string[] = [];
    const results: unknown[] = [];
    ws.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data === 'string') texts.push(data); else results.push(JSON.parse(new TextDecoder().decode(data)));
    });
    const ended = new Promise<{ code: number; clean: boolean }>((resolve) => {
      ws.addEventListener('close', ({ code, wasClean }) => resolve({ code, clean: wasClean }));
    });
    await new Promise((resolve, reject) => {
      ws.addEventListener('open', resolve);
      ws.addEventListener('error', () => reject(new Error('refused')));
    });
    Object.assign(window, { talk: { ws, texts, results, ended } });
  }, [...protocols]);
  return page;
}

function clientOf(page: Page, leave: (page: Page) => Promise<unknown>): Client {
  return {
    send: (message) => page.evaluate((said) => {
      const { ws } = (window as unknown as Window).talk;
      if (typeof said === 'string') ws.send(said); else ws.send(new Blob([JSON.stringify(said)]));
    }, message),
    async heard(text) {
      await page.waitForFunction((wanted) => (window as unknown as Window).talk.texts.includes(wanted), text, { polling: 20 });
    },
    async rest() {
      const said = await conversation(page);
      await page.close();
      return said;
    },
    async abandon() {
      await leave(page);
      if (!page.isClosed()) await page.close();
    },
  };
}

function conversation(page: Page): Promise<Conversation> {
  return page.evaluate(async () => {
    const { texts, results, ended } = (window as unknown as Window).talk;
    return { texts, results, ...await ended };
  });
}

function opens(page: Page, url: string, protocols: readonly string[]): Promise<'opened' | 'refused'> {
  return page.evaluate(([to, offered]) => new Promise<'opened' | 'refused'>((resolve) => {
    const ws = new WebSocket(to, offered);
    ws.onopen = () => resolve('opened');
    ws.onclose = () => resolve('refused');
  }), [url, [...protocols]] as [string, string[]]);
}
