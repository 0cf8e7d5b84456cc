// A real Chromium on the real panel server with a fake host behind it. One browser a test file; a page, a server and a host a test.

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { TestContext } from 'node:test';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { startPanelServer } from '../../src/main/surfaces/panel-server.ts';
import type { PanelServer } from '../../src/main/surfaces/panel-server.ts';
import { silentLog, systemClock } from '../../src/shared/log.ts';
import type { HostState } from '../../src/shared/model.ts';
import { FakeHost } from '../support/fake-host.ts';
import { buildRenderer } from './renderer-build.ts';

const chromiumPath = '/usr/bin/chromium';

/** For `test(name, browserOptions, …)`: skipped loudly without Chromium, an error in CI. */
export const browserOptions = { skip: skipReason(), timeout: 60_000 };

function skipReason(): string | false {
  if (existsSync(chromiumPath)) return false;
  const reason = `there is no ${chromiumPath}: apt-get install chromium`;
  if (process.env['CI'] !== undefined) throw new Error(`The panel tests cannot run in CI: ${reason}`);
  return reason;
}

export interface OpenPanel {
  readonly host: FakeHost;
  readonly page: Page;
  readonly server: PanelServer;
  /** What the page reported as errors: scripts, refused by the content policy, failed requests. */
  readonly complaints: string[];
}

export interface PanelBrowser {
  open(t: TestContext, host: FakeHost, options?: BrowserContextOptions): Promise<OpenPanel>;
  /** A page that nothing was opened in yet. */
  newPage(t: TestContext, options?: BrowserContextOptions): Promise<Page>;
}

/** Registers the hooks of the file that calls it. */
export function usePanelBrowser(): PanelBrowser {
  let browser: Browser | null = null;
  let rendererDir = '';
  before(async () => {
    if (browserOptions.skip !== false) return;
    rendererDir = await buildRenderer();
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });
  after(async () => {
    await browser?.close();
  });
  const newPage = async (t: TestContext, options: BrowserContextOptions = {}): Promise<Page> => {
    if (browser === null) throw new Error('The browser did not start');
    const context = await browser.newContext({ viewport: { width: 1000, height: 680 }, ...options });
    t.after(() => context.close());
    context.setDefaultTimeout(15_000);
    return await context.newPage();
  };
  return {
    newPage,
    async open(t, host, options) {
      const server = await startPanelServer({
        port: 0,
        rendererDir,
        hostVersion: host.state.hostVersion,
        clock: systemClock,
        log: silentLog,
      });
      server.setHandlers(host.handlers());
      t.after(() => server.close());
      const page = await newPage(t, options);
      const complaints: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(server.newAddress());
      await page.waitForURL(`http://127.0.0.1:${server.port}/`);
      return { host, page, server, complaints };
    },
  };
}

export function hostWith(mounts: HostState['mounts'], change: Partial<HostState> = {}): FakeHost {
  return new FakeHost({ mounts, ...change });
}

/** Where screenshots go: `HUBDRIVE_SCREENSHOTS`, else a folder that nobody keeps. */
export async function screenshotPath(name: string): Promise<string> {
  const dir = process.env['HUBDRIVE_SCREENSHOTS'] ?? join(tmpdir(), 'hubdrive-screenshots');
  await mkdir(dir, { recursive: true });
  return join(dir, `${name}.png`);
}

/** What `look` finds as soon as it finds something; looks at every turn of the event loop, and gives up with the test. */
export async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
