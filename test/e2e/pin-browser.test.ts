// The documented browser client at the pin door, in a real browser: the door's own page, a page of an origin that is allowed, and one that is not.

import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import type { PinEvent } from '../../server/doors/pin/events/event.ts';
import { startBrowser, type TestBrowser } from '../helpers/browser.ts';
import { cuttingProxy } from '../helpers/cutting-proxy.ts';
import { busybox, startPinGateway, twoJobs, type PinGateway } from './pin-gateway.ts';

interface Heard {
  readonly source: EventSource;
  readonly events: PinEvent[];
  readonly ids: string[];
}

type Window = typeof globalThis & { heard: Heard };

/** As documented: an `onmessage`, and nothing else. */
function watch(page: Page, base: string): Promise<void> {
  return page.evaluate((address) => {
    const source = new EventSource(`${address}/events`);
    const heard: Heard = { source, events: [], ids: [] };
    source.onmessage = (message: MessageEvent<string>) => {
      heard.events.push(JSON.parse(message.data) as PinEvent);
      heard.ids.push(message.lastEventId);
    };
    (window as unknown as Window).heard = heard;
  }, base);
}

const events = (page: Page): Promise<readonly PinEvent[]> => page.evaluate(() => (window as unknown as Window).heard.events);

async function heard(page: Page, type: string): Promise<void> {
  await page.waitForFunction((wanted) => (window as unknown as Window).heard.events.some((event) => event.type === wanted), type, { polling: 20, timeout: 60_000 });
}

function trigger(page: Page, base: string, text: string): Promise<{ readonly run_id: string; readonly pipeline_id: string }> {
  return page.evaluate(async ([address, body]) => {
    const answer = await fetch(`${address}/trigger`, { method: 'POST', body: body!, headers: { 'Content-Type': 'application/yaml' } });
    return await answer.json() as { run_id: string; pipeline_id: string };
  }, [base, text]);
}

describe('a browser at the pin door', function () {
  this.timeout(120_000);
  let browser: TestBrowser;
  let gateway: PinGateway;
  let elsewhere: Server;
  let foreign: string;
  before(async () => {
    elsewhere = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<p>elsewhere')).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    foreign = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    [browser, gateway] = await Promise.all([startBrowser(), startPinGateway(`allowOrigins: ["${foreign}"]`)]);
  });
  after(async () => {
    await browser.close();
    await gateway.stop();
    elsewhere.closeAllConnections();
    elsewhere.close();
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

  for (const [what, address] of [['of its own', () => `${gateway.pin}/`], ['of an origin that is allowed', () => foreign]] as const) {
    it(`pin defect 10: hears every event once by onmessage, in a page ${what}`, () => inPage(address(), async (page) => {
      const base = `${gateway.pin}/unnamed`;
      await watch(page, base);
      await heard(page, 'connection');
      const { run_id: id, pipeline_id } = await trigger(page, base, twoJobs);
      expect(pipeline_id).to.equal(id);
      await heard(page, 'pipeline_complete');
      const told = (await events(page)).filter(({ run_id }) => run_id === id);
      const all = [...(await (await fetch(`${gateway.pin}/runs/${id}/events?events=unnamed`)).text()).matchAll(/^data: (\{.*\})$/gm)].slice(1).map(([, json]) => JSON.parse(json!) as PinEvent);
      expect(told).to.deep.equal(all);
      expect(told.filter(({ stream }) => stream !== undefined).map(({ job, message, level }) => [job, message, level])).to.have.deep.members([
        ['Build', 'hello world', 'info'], ['test', 'out', 'info'], ['test', 'err', 'info'],
      ]);
      const { status } = await page.evaluate(async (from) => await (await fetch(`${from}/health`)).json() as { status: string }, base);
      expect(status).to.equal('healthy');
    }));
  }

  it('hears named events by their listeners, and nothing of them by onmessage', () => inPage(`${gateway.pin}/`, async (page) => {
    await page.evaluate((base) => {
      const source = new EventSource(`${base}/events`);
      const told: Heard = { source, events: [], ids: [] };
      source.addEventListener('pipeline_complete', (message) => told.events.push(JSON.parse((message as MessageEvent<string>).data) as PinEvent));
      source.onmessage = () => told.ids.push('unnamed');
      (window as unknown as Window).heard = told;
    }, gateway.pin);
    await page.waitForFunction(() => (window as unknown as Window).heard.source.readyState === 1);
    const { run_id: id } = await trigger(page, gateway.pin, twoJobs);
    await heard(page, 'pipeline_complete');
    expect((await events(page)).map(({ run_id }) => run_id)).to.deep.equal([id]);
    expect(await page.evaluate(() => (window as unknown as Window).heard.ids)).to.deep.equal([]);
  }));

  it('pin defect 28: whose connection is cut again and again loses nothing', async () => {
    let connections = 0;
    const proxy = await cuttingProxy(gateway.pin, () => ((connections += 1) <= 4 ? { direction: 'down', afterBytes: 10_000 * connections } : undefined));
    try {
      await inPage(`${foreign}/`, async (page) => {
        await watch(page, `${proxy.url}/unnamed`);
        await heard(page, 'connection');
        await gateway.trigger(`workflow: [a]\na: { image: '${busybox}', script: 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); [ $((i % 50)) = 0 ] && sleep 0.1; done; true' }\n`);
        await heard(page, 'pipeline_complete');
        const lines = (await events(page)).filter(({ stream }) => stream !== undefined).map(({ message }) => message);
        expect(lines).to.deep.equal(Array.from({ length: 2000 }, (_, at) => `line ${at}`));
        expect(proxy.cuts()).to.equal(4);
      });
    } finally {
      await proxy.close();
    }
  });

  it('pin defect 19: in a page of elsewhere gets nothing, and starts nothing', async () => {
    const stranger = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<p>stranger')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const before = await (await fetch(`${gateway.pin}/runs?limit=1`)).text();
    await inPage(`http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`, async (page) => {
      const outcome = await page.evaluate(async (base) => {
        const read = await fetch(`${base}/runs`).then(() => 'read', () => 'refused');
        // Without a preflight: what a page may send to anybody.
        await fetch(`${base}/trigger`, { method: 'POST', mode: 'no-cors', body: 'workflow: [a]\na: { image: busybox }' });
        const source = new EventSource(`${base}/unnamed/events`);
        const watched = await new Promise<string>((resolve) => {
          source.onmessage = () => resolve('heard');
          source.onerror = () => resolve('refused');
        });
        source.close();
        return [read, watched];
      }, gateway.pin);
      expect(outcome).to.deep.equal(['refused', 'refused']);
    });
    const runs = (text: string): unknown => (JSON.parse(text) as { runs: unknown }).runs;
    expect(runs(await (await fetch(`${gateway.pin}/runs?limit=1`)).text())).to.deep.equal(runs(before));
    stranger.closeAllConnections();
    stranger.close();
  });
});
