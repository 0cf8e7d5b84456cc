// Windows of the stand-in: each is a real Chromium page in which the real preload bundle runs before the page does. Custom schemes are
// served over an address of their own (`https://HOST.SCHEME.test`), because Chromium itself does not know them.

import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Browser, Frame, Page, Request as PageRequest, Route } from 'playwright-core';
import { ipcMain } from './ipc-main.ts';
import { preloadScript } from './preload-script.ts';

export interface StandInFrame {
  readonly url: string;
  readonly parent: StandInFrame | null;
}

interface WindowOptions {
  readonly width: number;
  readonly height: number;
  readonly show?: boolean;
  readonly webPreferences: { readonly preload: string } & Readonly<Record<string, unknown>>;
}

export const protocolHandlers = new Map<string, (request: Request) => Response | Promise<Response>>();

let browser: Browser | null = null;
/** Windows are pages of it. */
export function useBrowser(opened: Browser): void {
  browser = opened;
}

const mappedHost = /^https:\/\/([a-z0-9-]+)\.([a-z0-9-]+)\.test(?=\/|$)/;

function toChromium(url: string): string {
  return url.replace(
    /^([a-z0-9-]+):\/\/([a-z0-9-]+)(?=\/|$)/,
    (whole: string, scheme: string, host: string) =>
      protocolHandlers.has(scheme) ? `https://${host}.${scheme}.test` : whole,
  );
}

function fromChromium(url: string): string {
  return url.replace(mappedHost, '$2://$1');
}

export class StandInContents extends EventEmitter {
  windowOpenHandler: ((details: { readonly url: string }) => { readonly action: string }) | null = null;
  readonly sent: string[] = [];
  readonly #page: () => Promise<Page>;

  constructor(page: () => Promise<Page>) {
    super();
    this.#page = page;
  }

  setWindowOpenHandler(handler: (details: { readonly url: string }) => { readonly action: string }): void {
    this.windowOpenHandler = handler;
  }

  send(channel: string, payload: unknown): void {
    this.sent.push(channel);
    const message = structuredClone([channel, payload]);
    void this.#page()
      .then((page) => page.evaluate((given) => globalThis.__standInPush?.(given), message))
      .catch(() => undefined);
  }
}

declare global {
  var __standInPush: ((message: unknown) => void) | undefined;
  var __standInVisible: ((isVisible: boolean) => void) | undefined;
}

export class StandInWindow extends EventEmitter {
  static readonly all = new Set<StandInWindow>();
  static onContents: (contents: StandInContents) => void = () => undefined;
  readonly options: WindowOptions;
  readonly webContents: StandInContents;
  readonly complaints: string[] = [];
  readonly page: Promise<Page>;
  /** Resolves when the last `loadURL` is done. */
  loaded: Promise<void> = Promise.resolve();
  #isVisible: boolean;
  #isMinimized = false;
  #isDestroyed = false;
  #isLoading = false;

  constructor(options: WindowOptions) {
    super();
    this.options = options;
    this.#isVisible = options.show !== false;
    this.page = this.#open();
    this.page.catch(() => undefined);
    this.webContents = new StandInContents(() => this.page);
    StandInWindow.all.add(this);
    StandInWindow.onContents(this.webContents);
  }

  static async closeAll(): Promise<void> {
    await Promise.all([...this.all].map((window) => window.#end()));
  }

  loadURL(url: string): Promise<void> {
    this.loaded = this.#load(url);
    return this.loaded;
  }

  async #load(url: string): Promise<void> {
    const page = await this.page;
    this.#isLoading = true;
    await page.goto(toChromium(url)).catch(() => undefined);
    this.#isLoading = false;
    await this.#tellVisible();
  }

  reload(): void {
    this.#isLoading = true;
    void this.page.then((page) => page.reload()).finally(() => (this.#isLoading = false));
  }

  isVisible(): boolean {
    return this.#isVisible;
  }

  isMinimized(): boolean {
    return this.#isMinimized;
  }

  isDestroyed(): boolean {
    return this.#isDestroyed;
  }

  show(): void {
    this.#setVisible(true);
  }

  hide(): void {
    this.#setVisible(false);
  }

  focus(): void {
    this.emit('focus');
  }

  minimize(): void {
    this.#isMinimized = true;
    this.emit('minimize');
  }

  restore(): void {
    this.#isMinimized = false;
    this.emit('restore');
  }

  /** What the window's close button does. */
  close(): void {
    let isPrevented = false;
    this.emit('close', { preventDefault: () => (isPrevented = true) });
    if (!isPrevented) this.destroy();
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.emit('closed');
    void this.#end();
  }

  #setVisible(isVisible: boolean): void {
    if (this.#isVisible === isVisible) return;
    this.#isVisible = isVisible;
    this.emit(isVisible ? 'show' : 'hide');
    void this.#tellVisible();
  }

  async #tellVisible(): Promise<void> {
    const page = await this.page;
    await page
      .evaluate((isVisible) => globalThis.__standInVisible?.(isVisible), this.#isVisible)
      .catch(() => undefined);
  }

  async #end(): Promise<void> {
    this.#isDestroyed = true;
    StandInWindow.all.delete(this);
    await this.page.then(
      (page) => page.context().close(),
      () => undefined,
    );
  }

  async #open(): Promise<Page> {
    if (browser === null) throw new Error('The stand-in has no browser: useBrowser()');
    const { width, height } = this.options;
    const { preload } = this.options.webPreferences;
    const context = await browser.newContext({ viewport: { width, height } });
    context.setDefaultTimeout(15_000);
    await context.exposeBinding('__standInInvoke', ({ frame }, channel: string, args: unknown[]) =>
      ipcMain.invoke(channel, { sender: this.webContents, senderFrame: frameOf(frame) }, args),
    );
    await context.addInitScript(preloadScript(await readFile(preload, 'utf8'), this.#isVisible));
    await context.route('**/*', (route) => this.#route(route));
    const page = await context.newPage();
    // A window whose page was denied.
    context.on('page', (other) => void other.waitForLoadState().then(() => other.close()));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('framenavigated', (frame) => {
      if (frame === page.mainFrame()) this.webContents.emit('did-navigate');
    });
    page.on('crash', () => this.webContents.emit('render-process-gone'));
    return page;
  }

  async #route(route: Route): Promise<void> {
    const request = route.request();
    const url = fromChromium(request.url());
    if (request.isNavigationRequest() && !(await this.#mayNavigate(url, existingFrame(request)))) {
      await route.abort('aborted');
      return;
    }
    const handler = protocolHandlers.get(new URL(url).protocol.slice(0, -1));
    if (handler === undefined) {
      await route.abort('failed');
      return;
    }
    const response = await handler(new Request(url, { method: request.method() }));
    await route.fulfill({
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    });
  }

  /** Asks the listeners that Electron would ask. */
  async #mayNavigate(url: string, frame: Frame | null): Promise<boolean> {
    const page = await this.page;
    if (frame === null || frame.page() !== page) {
      return (this.webContents.windowOpenHandler?.({ url }) ?? { action: 'allow' }).action !== 'deny';
    }
    const isMainFrame = frame === page.mainFrame();
    if (isMainFrame && this.#isLoading) return true;
    let isPrevented = false;
    const event = { url, isMainFrame, preventDefault: () => (isPrevented = true) };
    this.webContents.emit('will-frame-navigate', event);
    return !isPrevented;
  }
}

/** Null for the first request of a page that opens. */
function existingFrame(request: PageRequest): Frame | null {
  try {
    return request.frame();
  } catch (error) {
    if (error instanceof Error && /issued before the frame is created/.test(error.message)) return null;
    throw error;
  }
}

function frameOf(frame: Frame): StandInFrame {
  const parent = frame.parentFrame();
  return { url: fromChromium(frame.url()), parent: parent === null ? null : frameOf(parent) };
}
