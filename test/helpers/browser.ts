// Starts a headless browser with a temporary profile.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

const browserPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'];

/** Options that keep the browser from making background requests and updating itself. */
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--disable-dev-shm-usage',
  '--metrics-recording-only',
  '--no-proxy-server',
];

export interface TestBrowser {
  readonly context: BrowserContext;
  /** Closes the browser and removes its folder. */
  close(): Promise<void>;
}

export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = process.env['DISTILLERY_TEST_BROWSER'] ?? browserPaths.find((place) => existsSync(place));
  if (executablePath === undefined)
    throw new Error('these tests need a browser: install the package chromium, or name one in DISTILLERY_TEST_BROWSER');
  const folder = await mkdtemp(join(tmpdir(), 'browser-'));
  try {
    const context = await chromium.launchPersistentContext(folder, { executablePath, args, headless: true });
    return {
      context,
      async close() {
        await context.close();
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}
