// Tests EventSource and fetch of a real browser over a connection that is cut repeatedly.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { startBrowser, type TestBrowser } from '../../helpers/browser.ts';
import { path, withStream } from '../../helpers/http/sse-test-server.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** What the script in the page has received, and its EventSource. */
interface PageState {
  readonly source: EventSource;
  readonly lines: string[];
  readonly events: number[];
  readonly results: unknown[];
  opened: number;
}

type Window = typeof globalThis & { received: PageState };

/** Proxy between the page and the server that can cut its connections. */
class Cutter {
  readonly #sockets = new Set<Socket>();
  readonly #server;
  cuts = 0;

  constructor(port: number) {
    this.#server = createServer((incoming) => {
      const outgoing = connect(port, '127.0.0.1');
      for (const socket of [incoming, outgoing]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          incoming.destroy();
          outgoing.destroy();
        });
      }
      incoming.pipe(outgoing).pipe(incoming);
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.cuts += 1;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }
}

describe('an event stream in a browser', function () {
  this.timeout(60_000);
  let browser: TestBrowser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  async function inPage(port: number, work: (page: Page, cutter: Cutter) => Promise<void>): Promise<void> {
    const cutter = new Cutter(port);
    const page = await browser.context.newPage();
    try {
      await page.goto(`http://127.0.0.1:${await cutter.listen()}/readyz`);
      await work(page, cutter);
    } finally {
      await page.close();
      await cutter.close();
    }
  }

  it('an EventSource whose connection is cut receives the whole stream and stops reconnecting at its end', () =>
    withStream(async ({ port, run }) =>
      inPage(port, async (page, cutter) => {
        await listen(page);
        let printed = 0;
        for (let cut = 0; cut < 4; cut++) {
          for (let at = 0; at < 500; at++) {
            run.print(`line ${(printed += 1)}\rof \t"many"\n`);
            if (at % 100 === 0) run.log.emit('fact', { at });
          }
          // Cut the connection while lines are arriving.
          await waitUntil('some lines are received', async () => (await countLines(page)) > cut * 500);
          cutter.cut();
          await waitUntil(
            'the stream is open again',
            async () => (await page.evaluate(() => (window as unknown as Window).received.opened)) > cut + 1,
            20_000,
          );
        }
        await run.finish();
        await waitUntil(
          'the result arrives',
          async () => (await page.evaluate(() => (window as unknown as Window).received.results.length)) > 0,
          20_000,
        );
        await waitUntil(
          'it stops reconnecting',
          () => page.evaluate(() => (window as unknown as Window).received.source.readyState === EventSource.CLOSED),
          20_000,
        );
        const { lines, events, results } = await page.evaluate(() => {
          const { lines: received, events: facts, results: ends } = (window as unknown as Window).received;
          return { lines: received, events: facts, results: ends };
        });
        expect(lines).to.deep.equal(Array.from({ length: printed }, (_, at) => `line ${at + 1}\rof \t"many"`));
        expect(events).to.deep.equal(Array.from({ length: 20 }, (_, at) => at + 1));
        expect(results).to.deep.equal([
          {
            success: true,
            status: 'succeeded',
            exitCode: 0,
            next: printed + 1,
            cleanup: { clean: true, released: [], left: [] },
          },
        ]);
        expect(cutter.cuts).to.equal(4);
      }),
    ));

  it('fetch can read an event stream', () =>
    withStream(async ({ port, run }) =>
      inPage(port, async (page) => {
        run.print('one\ntwo\n');
        await run.finish();
        const text = await page.evaluate(
          async (address) => (await fetch(address, { headers: { 'Last-Event-ID': '1' } })).text(),
          path,
        );
        expect(text)
          .to.contain('id: 2\nevent: line\ndata: "two"\n\n')
          .and.contain('event: result')
          .and.not.contain('"one"');
      }),
    ));
});

async function listen(page: Page): Promise<void> {
  await page.evaluate((address) => {
    const source = new EventSource(address);
    const received: PageState = { source, lines: [], events: [], results: [], opened: 0 };
    // The page cannot run named functions: the test loader wraps them in a helper that the page does not have.
    source.addEventListener('line', (message) =>
      received.lines.push(JSON.parse((message as MessageEvent<string>).data) as string),
    );
    source.addEventListener('event', (message) =>
      received.events.push((JSON.parse((message as MessageEvent<string>).data) as { seq: number }).seq),
    );
    source.addEventListener('result', (message) =>
      received.results.push(JSON.parse((message as MessageEvent<string>).data)),
    );
    source.addEventListener('open', () => {
      received.opened += 1;
    });
    (window as unknown as Window).received = received;
  }, path);
}

function countLines(page: Page): Promise<number> {
  return page.evaluate(() => (window as unknown as Window).received.lines.length);
}
