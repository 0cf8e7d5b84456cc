// The desktop app around the hosts that serve one after the other: tray, window, dialogs, notifications, and the flow that ends it all.
// Joins events of Electron to the functions that decide.

import { join } from 'node:path';
import { clipboard } from 'electron';
import type { Clock, Log } from '../../shared/log.ts';
import type { Settings } from '../../shared/model.ts';
import type { AppFiles } from '../app-files.ts';
import type { Host } from '../host.ts';
import { HostWatch } from '../host-watch.ts';
import { opensPanelAtStart } from '../tray/launch-arguments.ts';
import type { LaunchArguments } from '../tray/launch-arguments.ts';
import { noticesOf } from '../tray/notices.ts';
import { problemOf } from '../problem.ts';
import { QuitFlow } from '../tray/quit-flow.ts';
import { defaultSettings } from '../settings.ts';
import { carryOut } from '../tray/tray-actions.ts';
import type { TrayTools } from '../tray/tray-actions.ts';
import { trayFaceOf } from '../tray/tray-icon.ts';
import { buildTrayMenu } from '../tray/tray-menu.ts';
import { listenToApp } from './app-events.ts';
import { DeepLinks } from './deep-links.ts';
import { hardenContents } from './harden.ts';
import { IpcHost } from './ipc-host.ts';
import { setLoginItem } from './login-item.ts';
import { Notifications } from './notifications.ts';
import { PanelWindow } from './panel-window.ts';
import { askQuestion } from './question-dialog.ts';
import { watchSystem } from './system-events.ts';
import { TrayShell } from './tray-shell.ts';
import { watchForUpdates } from './updates.ts';

export interface DesktopShellOptions {
  readonly files: AppFiles;
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly launch: LaunchArguments;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the host for good; `now` without waiting for uploads. */
  readonly endHost: (now: boolean) => void;
}

export class DesktopShell {
  readonly #options: DesktopShellOptions;
  readonly #watch: HostWatch;
  readonly #ipc: IpcHost;
  readonly #window: PanelWindow;
  readonly #tray: TrayShell;
  readonly #quits: QuitFlow;
  readonly #links: DeepLinks;
  readonly #tools: TrayTools;
  readonly #stops: readonly (() => void)[];
  #hasStarted = false;
  #settings: Settings = defaultSettings;

  /** Once Electron is ready. */
  constructor(options: DesktopShellOptions) {
    const { files, platform, env, clock, log } = options;
    this.#options = options;
    this.#watch = new HostWatch(clock);
    hardenContents({ endpoint: () => this.#watch.state?.endpoint ?? null, log });
    this.#ipc = new IpcHost(log);
    this.#window = new PanelWindow({
      preloadPath: files.preloadPath,
      iconPath: join(files.assetsDir, 'icons', '512x512.png'),
      onCreated: (window) => this.#ipc.setWindow(window),
      onVisible: (isVisible) => {
        this.#ipc.setVisible(isVisible);
        if (isVisible) this.#watch.markSeen();
      },
    });
    this.#tools = this.#makeTools();
    this.#quits = this.#makeQuitFlow();
    this.#links = new DeepLinks(this.#tools, () => this.#watch.host !== null);
    this.#tray = new TrayShell({
      imageDir: join(files.assetsDir, 'tray'),
      platform,
      env,
      clock,
      face: () => trayFaceOf(this.#watch.state, this.#watch.seen, clock.now()),
      menu: () => {
        const { state, seen } = this.#watch;
        return buildTrayMenu({ state, seen, now: clock.now() });
      },
      onAction: (action) => void carryOut(action, this.#tools),
      onToggle: () => this.#window.toggle(),
    });
    const notifications = new Notifications(() => this.#window.open());
    this.#watch.onState((state, previous) => {
      const { notifications: wanted } = this.#settings;
      for (const notice of noticesOf(previous, state, wanted)) notifications.show(notice);
      this.#tray.changed();
    });
    this.#stops = [
      listenToApp({
        requestQuit: () => this.#quits.request(),
        openPanel: () => this.#window.open(),
        openLink: (link) => this.#links.open(link),
        openLinkFrom: (argv) => this.#links.openFrom(argv),
      }),
      watchSystem(
        { onBack: () => void this.#watch.host?.nudge(), onEnding: () => this.#quits.request() },
        clock,
      ),
      watchForUpdates({
        platform,
        env,
        clock,
        log,
        onAvailable: (version) => notifications.tellUpdate(version),
      }),
    ];
    if (options.launch.link !== null) this.#links.open(options.launch.link);
  }

  /** Null: the host has ended; another may follow. */
  setHost(host: Host | null): void {
    this.#ipc.setHandlers(host?.handlers ?? null);
    this.#watch.setHost(host);
    if (host === null) return;
    this.#links.hostIsReady();
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    void Promise.resolve(host.handlers['settings:get'](null, this.#watch.caller)).then((settings) =>
      this.setSettings(settings),
    );
    if (opensPanelAtStart(this.#options.launch, host.state().mounts.length)) this.#window.open();
  }

  setSettings(settings: Settings): void {
    this.#settings = settings;
    const { platform, env, log } = this.#options;
    setLoginItem(settings.launchAtLogin, platform, env).catch((error: unknown) => {
      log.warn('Starting at login could not be changed', { cause: String(error) });
    });
  }

  /** The hosts have ended for good. */
  close(): void {
    for (const stop of this.#stops) stop();
    this.#tray.close();
    this.#window.destroy();
    this.#ipc.close();
  }

  #makeTools(): TrayTools {
    return {
      host: () => {
        const { host, state, caller } = this.#watch;
        return host === null || state === null ? null : { handlers: host.handlers, state, caller };
      },
      openPanel: () => this.#window.open(),
      copyText: (text) => clipboard.writeText(text),
      requestQuit: () => this.#quits.request(),
      ask: askQuestion,
    };
  }

  #makeQuitFlow(): QuitFlow {
    return new QuitFlow({
      state: () => this.#watch.state,
      uploadRate: () => this.#watch.uploadRate,
      ask: askQuestion,
      sendAll: async (signal) => {
        const host = this.#tools.host();
        if (host === null) return;
        const caller = { ...host.caller, gone: AbortSignal.any([host.caller.gone, signal]) };
        await host.handlers['mounts:resume']({ target: null }, caller);
        await host.handlers['mounts:flush']({ target: null }, caller);
      },
      end: this.#options.endHost,
      reasonOf: (error) => problemOf(error).message,
      onUnexpected: (error) => this.#options.log.error('Quitting failed', {}, error),
    });
  }
}
