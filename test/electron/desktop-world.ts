// The real main process of the desktop app in this process, on the stand-in: embedded Hub, worker engines, a system that mounts in memory,
// and windows that are Chromium pages. One browser a test file, one app a test.

import './stand-in/register.ts';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { TestContext } from 'node:test';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { findAppFiles } from '../../src/main/app-files.ts';
import type { AppFiles } from '../../src/main/app-files.ts';
import type { ArgumentOf, MountArgument, Outcome, RequestName, ResultOf } from '../../src/shared/contract.ts';
import type { MountView } from '../../src/shared/model.ts';
import type { Places } from '../../src/shared/places.ts';
import { buildRenderer } from '../panel/renderer-build.ts';
import { FakeDriver } from '../support/fake-driver.ts';
import { settle } from '../support/manual-clock.ts';
import { buildPreload } from './preload-build.ts';
import { app, dialog, resetElectron, Tray } from './stand-in/electron.ts';
import type { OpenDialog } from './stand-in/electron.ts';
import { StandInWindow, useBrowser } from './stand-in/window.ts';

const chromiumPath = '/usr/bin/chromium';

/** For `test(name, desktopOptions, …)`: skipped loudly without Chromium, an error in CI. */
export const desktopOptions = { skip: skipReason(), timeout: 60_000 };

function skipReason(): string | false {
  if (existsSync(chromiumPath)) return false;
  const reason = `there is no ${chromiumPath}: apt-get install chromium`;
  if (process.env['CI'] !== undefined) throw new Error(`The desktop tests cannot run in CI: ${reason}`);
  return reason;
}

/** Registers the hooks of the file that calls it. */
export function useDesktopBrowser(): void {
  let browser: Browser | null = null;
  before(async () => {
    if (desktopOptions.skip !== false) return;
    await buildRenderer();
    await buildPreload();
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    useBrowser(browser);
  });
  after(async () => {
    await resetElectron();
    await browser?.close();
  });
}

export interface LaunchOptions {
  readonly argv?: readonly string[];
  readonly platform?: NodeJS.Platform;
  readonly env?: NodeJS.ProcessEnv;
  /** Changes what the stand-in answers, before the app asks. */
  readonly prepare?: () => void;
}

interface MenuPart {
  readonly label?: string;
  readonly enabled?: boolean;
  readonly submenu?: readonly MenuPart[];
  readonly click?: () => void;
}

const patienceMs = 15_000;

export class DesktopWorld {
  readonly dir: string;
  readonly places: Places;
  readonly files: AppFiles = findAppFiles();
  readonly driver = new FakeDriver();
  /** Settles with the run of the app. */
  running: Promise<void> = Promise.resolve();

  private constructor(dir: string) {
    this.dir = dir;
    const dataDir = join(dir, 'data');
    this.places = {
      dataDir,
      cacheDir: join(dir, 'cache'),
      logDir: join(dir, 'logs'),
      controlSocketDir: dataDir,
      controlSocketPath: join(dataDir, 'control.sock'),
    };
  }

  static async start(t: TestContext, options: LaunchOptions = {}): Promise<DesktopWorld> {
    const world = new DesktopWorld(await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-desktop-'))));
    t.after(() => world.close());
    await world.launch(options);
    return world;
  }

  /** Starts the app, again after it has ended. */
  async launch({
    argv = ['--demo', '--hidden'],
    platform = 'linux',
    env = { XDG_CONFIG_HOME: join(this.dir, 'config') },
    prepare = () => undefined,
  }: LaunchOptions = {}): Promise<void> {
    await resetElectron();
    prepare();
    const { runDesktopApp } = await import('../../src/main/electron/desktop-app.ts');
    const { places, files, driver } = this;
    this.running = runDesktopApp({ argv: ['electron', '.', ...argv], env, platform, places, files, driver });
    let failure: unknown = null;
    this.running.catch((error: unknown) => (failure = error));
    await this.until(() => failure !== null || this.#hasStarted(platform), 'the app started');
    if (failure !== null) throw new Error('The app did not start', { cause: failure });
  }

  /** A host serves. On macOS the menu is only seen when it pops up. */
  #hasStarted(platform: NodeJS.Platform): boolean {
    if (platform === 'darwin') Tray.current?.emit('right-click');
    const text = this.menuText();
    return text !== '' && !text.includes('Starting …');
  }

  get tray(): Tray {
    assert.ok(Tray.current !== null, 'there is no tray icon');
    return Tray.current;
  }

  /** All labels of the menu, one a line, submenus indented. */
  menuText(): string {
    const lines = (items: readonly MenuPart[], indent: string): string[] =>
      items.flatMap(({ label, submenu }) => [
        ...(label === undefined ? [] : [indent + label]),
        ...lines(submenu ?? [], `${indent}  `),
      ]);
    return lines(this.#menuItems(), '').join('\n');
  }

  #menuItems(): readonly MenuPart[] {
    return (Tray.current?.menu ?? Tray.current?.popped)?.items ?? [];
  }

  /** Clicks the item whose labels begin with these words, from the outermost submenu inwards. */
  async choose(...path: readonly string[]): Promise<void> {
    let found: MenuPart | undefined;
    await this.until(
      () => {
        let items = this.#menuItems();
        for (const words of path) {
          found = items.find(({ label }) => label?.startsWith(words));
          items = found?.submenu ?? [];
        }
        return found?.click !== undefined && found.enabled !== false;
      },
      `the tray offers ${path.join(' > ')}`,
    );
    found?.click?.();
  }

  /** The panel's page; waits until it is there. */
  async page(): Promise<Page> {
    await this.until(() => StandInWindow.all.size > 0, 'a window was made');
    await this.window().loaded;
    return await this.window().page;
  }

  window(): StandInWindow {
    const [window, ...others] = StandInWindow.all;
    assert.ok(window !== undefined && others.length === 0, `there are ${StandInWindow.all.size} windows`);
    return window;
  }

  /** A request from the page's own bridge; rejects with a failed outcome's message. Opens the panel if need be. */
  async call<N extends RequestName>(channel: N, argument: ArgumentOf<N>): Promise<ResultOf<N>> {
    if (StandInWindow.all.size === 0) await this.choose('Open panel');
    const page = await this.page();
    await this.pageSays('window.hubdrive !== undefined');
    const outcome: Outcome<ResultOf<N>> = await page.evaluate(
      `window.hubdrive.requests[${JSON.stringify(channel)}](${JSON.stringify(argument)})`,
    );
    if (!outcome.ok) throw new Error(`${channel}: ${outcome.error.code}: ${outcome.error.message}`);
    return outcome.value;
  }

  /** Waits until the expression is true in the page. Not `waitForFunction`, which the page's content policy forbids. */
  async pageSays(expression: string): Promise<void> {
    const page = await this.page();
    const end = performance.now() + patienceMs;
    while (!(await page.evaluate<boolean>(`Boolean(${expression})`))) {
      assert.ok(performance.now() < end, `it never held in the page: ${expression}`);
      await page.waitForTimeout(20);
    }
  }

  /** Opens the panel and waits until it shows something. */
  async openPanel(): Promise<Page> {
    await this.choose('Open panel');
    const page = await this.page();
    await page.getByRole('button').first().waitFor();
    return page;
  }

  /** The demo bucket, on the system that mounts in memory unless `serverOnly`. */
  async mount(change: Partial<MountArgument> = {}): Promise<MountView> {
    return await this.call('mounts:mount', {
      source: 'bucket/demo/project',
      mountPoint: change.serverOnly === true ? null : join(this.dir, 'mnt'),
      readOnly: false,
      revision: null,
      serverOnly: false,
      ...change,
    });
  }

  /** Waits for the dialog whose message matches. */
  async dialog(message: RegExp): Promise<OpenDialog> {
    let found: OpenDialog | undefined;
    await this.until(() => {
      found = dialog.open.find((shown) => message.test(shown.message));
      return found !== undefined;
    }, `a dialog says ${message.source}`);
    assert.ok(found !== undefined);
    return found;
  }

  async until(isSo: () => boolean, what: string): Promise<void> {
    const end = performance.now() + patienceMs;
    while (!isSo()) {
      if (performance.now() > end) {
        const dialogs = dialog.open.map(({ message, detail }) => `${message}: ${detail}`).join('; ');
        assert.fail(`it never happened: ${what}\nmenu:\n${this.menuText()}\ndialogs: ${dialogs}`);
      }
      await settle(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** As Quit in the menu and, if it asks, “Quit now”. */
  async quit(): Promise<void> {
    app.quit();
    await this.until(() => {
      for (const shown of dialog.open) {
        if (shown.buttons.includes('Quit now, send next time')) shown.answer('Quit now, send next time');
      }
      return app.hasEnded;
    }, 'the app ended');
    await this.running;
  }

  async close(): Promise<void> {
    if (!app.hasEnded) await this.quit();
    await resetElectron();
    await rm(this.dir, { recursive: true, force: true });
  }
}
