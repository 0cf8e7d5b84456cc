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
    env = {},
  }: LaunchOptions = {}): Promise<void> {
    await resetElectron();
    const { runDesktopApp } = await import('../../src/main/electron/desktop-app.ts');
    const { places, files, driver } = this;
    this.running = runDesktopApp({ argv: ['electron', '.', ...argv], env, platform, places, files, driver });
    this.running.catch(() => undefined);
    await this.until(
      () => !this.menuText().includes('Starting …') && this.menuText() !== '',
      'the app started',
    );
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
    return lines(Tray.current?.menu?.items ?? [], '').join('\n');
  }

  /** Clicks the item whose labels begin with these words, from the outermost submenu inwards. */
  async choose(...path: readonly string[]): Promise<void> {
    let found: MenuPart | undefined;
    await this.until(
      () => {
        let items: readonly MenuPart[] = Tray.current?.menu?.items ?? [];
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
    return await this.window().page;
  }

  window(): StandInWindow {
    const [window, ...others] = StandInWindow.all;
    assert.ok(window !== undefined && others.length === 0, `there are ${StandInWindow.all.size} windows`);
    return window;
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
