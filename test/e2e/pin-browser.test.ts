// Tests the documented browser client of the pin API in a real browser: in a page of the API, of an allowed origin, and
// of another origin.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import type { PinEvent } from '../../server/compat/pin/events/event.ts';
import { startBrowser, type TestBrowser } from '../helpers/browser.ts';
import { busybox, type PinGateway, startPinGateway, twoJobs } from '../helpers/compat/pin-gateway.ts';
import { startDroppingProxy } from '../helpers/websocket/dropping-proxy.ts';

interface ReceivedEvents {
  readonly source: EventSource;
  readonly events: PinEvent[];
  readonly ids: string[];
}

type Window = typeof globalThis & { received: ReceivedEvents };

/** Uses only an `onmessage` handler, as documented. */
function watch(page: Page, base: string): Promise<void> {
  return page.evaluate((address) => {
    const source = new EventSource(`${address}/events`);
    const received: ReceivedEvents = { source, events: [], ids: [] };
    source.onmessage = (message: MessageEvent<string>) => {
      received.events.push(JSON.parse(message.data) as PinEvent);
      received.ids.push(message.lastEventId);
    };
    (window as unknown as Window).received = received;
  }, base);
}

const events = (page: Page): Promise<readonly PinEvent[]> =>
  page.evaluate(() => (window as unknown as Window).received.events);

async function waitForEvent(page: Page, type: string): Promise<void> {
  await page.waitForFunction(
    (wanted) => (window as unknown as Window).received.events.some((event) => event.type === wanted),
    type,
    { polling: 20, timeout: 60_000 },
  );
}

function trigger(
  page: Page,
  base: string,
  text: string,
): Promise<{ readonly run_id: string; readonly pipeline_id: string }> {
  return page.evaluate(
    async ([address, body]) => {
      const answer = await fetch(`${address}/trigger`, {
        method: 'POST',
        body: body!,
        headers: { 'Content-Type': 'application/yaml' },
      });
      return (await answer.json()) as { run_id: string; pipeline_id: string };
    },
    [base, text],
  );
}

describe('a browser at the pin API', function () {
  this.timeout(120_000);
  let browser: TestBrowser;
  let gateway: PinGateway;
  let otherOriginServer: Server;
  let allowedOrigin: string;
  before(async () => {
    otherOriginServer = createServer((_request, response) =>
      response.setHeader('Content-Type', 'text/html').end('<p>elsewhere'),
    ).listen(0, '127.0.0.1');
    await once(otherOriginServer, 'listening');
    allowedOrigin = `http://127.0.0.1:${(otherOriginServer.address() as AddressInfo).port}`;
    [browser, gateway] = await Promise.all([startBrowser(), startPinGateway(`allowOrigins: ["${allowedOrigin}"]`)]);
  });
  after(async () => {
    await browser.close();
    await gateway.stop();
    otherOriginServer.closeAllConnections();
    otherOriginServer.close();
  });

  async function inPage(address: string, work: (page: Page) => Promise<void>): Promise<void> {
    const page = await browser.context.newPage();
    try {
      await page.goto(address);
      await work(page);
    } finally {
      await page.close();
    }
  }

  for (const [what, address] of [
    ['of its own', () => `${gateway.pinUrl}/`],
    ['of an origin that is allowed', () => allowedOrigin],
  ] as const) {
    it(`pin defect 10, L13: a browser receives every event once by onmessage, in a page ${what}`, () =>
      inPage(address(), async (page) => {
        const base = gateway.pinUrl;
        await watch(page, base);
        await waitForEvent(page, 'connection');
        const { run_id: id, pipeline_id } = await trigger(page, base, twoJobs);
        expect(pipeline_id).to.equal(id);
        await waitForEvent(page, 'pipeline_complete');
        const runEvents = (await events(page)).filter(({ run_id }) => run_id === id);
        const all = [
          ...(await (await fetch(`${gateway.pinUrl}/runs/${id}/events`)).text()).matchAll(/^data: (\{.*\})$/gm),
        ]
          .slice(1)
          .map(([, json]) => JSON.parse(json!) as PinEvent);
        expect(runEvents).to.deep.equal(all);
        expect(
          runEvents
            .filter(({ stream }) => stream !== undefined)
            .map(({ job, message, level }) => [job, message, level]),
        ).to.have.deep.members([
          ['Build', 'hello world', 'info'],
          ['test', 'out', 'info'],
          ['test', 'err', 'info'],
        ]);
        const { status } = await page.evaluate(
          async (from) => (await (await fetch(`${from}/health`)).json()) as { status: string },
          base,
        );
        expect(status).to.equal('healthy');
      }));
  }

  it('L13: a browser receives named events only by their listeners, not by onmessage', () =>
    inPage(`${gateway.pinUrl}/`, async (page) => {
      await page.evaluate((base) => {
        const source = new EventSource(`${base}/named/events`);
        const received: ReceivedEvents = { source, events: [], ids: [] };
        source.addEventListener('pipeline_complete', (message) =>
          received.events.push(JSON.parse((message as MessageEvent<string>).data) as PinEvent),
        );
        source.onmessage = () => received.ids.push('unnamed');
        (window as unknown as Window).received = received;
      }, gateway.pinUrl);
      await page.waitForFunction(() => (window as unknown as Window).received.source.readyState === 1);
      const { run_id: id } = await trigger(page, gateway.pinUrl, twoJobs);
      await waitForEvent(page, 'pipeline_complete');
      expect((await events(page)).map(({ run_id }) => run_id)).to.deep.equal([id]);
      expect(await page.evaluate(() => (window as unknown as Window).received.ids)).to.deep.equal([]);
    }));

  it('pin defect 28: a browser whose connection is cut many times loses no event', async () => {
    let connections = 0;
    const proxy = await startDroppingProxy(gateway.pinUrl, () =>
      (connections += 1) <= 4 ? { direction: 'down', afterBytes: 10_000 * connections } : undefined,
    );
    try {
      await inPage(`${allowedOrigin}/`, async (page) => {
        await watch(page, proxy.url);
        await waitForEvent(page, 'connection');
        await gateway.trigger(
          `workflow: [a]\na: { image: '${busybox}', script: 'i=0;
            while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1));
            [ $((i % 50)) = 0 ] && sleep 0.1; done; true' }\n`,
        );
        await waitForEvent(page, 'pipeline_complete');
        const lines = (await events(page)).filter(({ stream }) => stream !== undefined).map(({ message }) => message);
        expect(lines).to.deep.equal(Array.from({ length: 2000 }, (_, at) => `line ${at}`));
        expect(proxy.countDrops()).to.equal(4);
      });
    } finally {
      await proxy.close();
    }
  });

  it('pin defect 19: a browser in a page of another origin receives nothing and starts nothing', async () => {
    const otherOrigin = createServer((_request, response) =>
      response.setHeader('Content-Type', 'text/html').end('<p>stranger'),
    ).listen(0, '127.0.0.1');
    await once(otherOrigin, 'listening');
    const before = await (await fetch(`${gateway.pinUrl}/runs?limit=1`)).text();
    await inPage(`http://127.0.0.1:${(otherOrigin.address() as AddressInfo).port}/`, async (page) => {
      const outcome = await page.evaluate(async (base) => {
        const read = await fetch(`${base}/runs`).then(
          () => 'read',
          () => 'refused',
        );
        // Send a request without a preflight, which any page may send to any server.
        await fetch(`${base}/trigger`, {
          method: 'POST',
          mode: 'no-cors',
          body: 'workflow: [a]\na: { image: busybox, script: echo a }',
        });
        const source = new EventSource(`${base}/unnamed/events`);
        const watched = await new Promise<string>((resolve) => {
          source.onmessage = () => resolve('heard');
          source.onerror = () => resolve('refused');
        });
        source.close();
        return [read, watched];
      }, gateway.pinUrl);
      expect(outcome).to.deep.equal(['refused', 'refused']);
    });
    const runs = (text: string): unknown => (JSON.parse(text) as { runs: unknown }).runs;
    expect(runs(await (await fetch(`${gateway.pinUrl}/runs?limit=1`)).text())).to.deep.equal(runs(before));
    otherOrigin.closeAllConnections();
    otherOrigin.close();
  });
});
