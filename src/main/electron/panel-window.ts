// The panel's window: made when it is first asked for, hidden instead of closed, and confined to what a page of ours needs.

import { app, BrowserWindow, nativeTheme } from 'electron';
import { panelUrl } from '../surfaces/sender-check.ts';
import { isSeen } from './ipc-host.ts';

export interface PanelWindowOptions {
  readonly preloadPath: string;
  readonly iconPath: string;
  /** Once for each window, before its page loads. */
  readonly onCreated: (window: BrowserWindow) => void;
  readonly onVisible: (isVisible: boolean) => void;
}

export class PanelWindow {
  readonly #options: PanelWindowOptions;
  #window: BrowserWindow | null = null;
  #mayClose = false;

  constructor(options: PanelWindowOptions) {
    this.#options = options;
  }

  open(): void {
    const window = this.#window ?? this.#create();
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  }

  toggle(): void {
    if (this.#window !== null && isSeen(this.#window)) this.#window.hide();
    else this.open();
  }

  /** From here on closing means closing. */
  destroy(): void {
    this.#mayClose = true;
    this.#window?.destroy();
    this.#window = null;
  }

  #create(): BrowserWindow {
    const window = new BrowserWindow({
      width: 980,
      height: 680,
      minWidth: 360,
      minHeight: 420,
      show: false,
      title: 'Hubdrive',
      icon: this.#options.iconPath,
      autoHideMenuBar: true,
      backgroundColor: nativeTheme.shouldUseDarkColors ? '#1c1c1e' : '#ffffff',
      webPreferences: {
        preload: this.#options.preloadPath,
        contextIsolation: true,
        sandbox: true,
        nodeIntegration: false,
        nodeIntegrationInWorker: false,
        nodeIntegrationInSubFrames: false,
        webSecurity: true,
        webviewTag: false,
        navigateOnDragDrop: false,
        spellcheck: false,
        devTools: !app.isPackaged,
      },
    });
    this.#window = window;
    const tell = (): void => this.#options.onVisible(isSeen(window));
    window.on('show', tell);
    window.on('hide', tell);
    window.on('minimize', tell);
    window.on('restore', tell);
    window.on('close', (event) => {
      if (this.#mayClose) return;
      event.preventDefault();
      window.hide();
    });
    window.on('closed', () => {
      if (this.#window === window) this.#window = null;
    });
    // A crashed page is replaced; the host never depended on it.
    window.webContents.on('render-process-gone', () => {
      if (!this.#mayClose) window.reload();
    });
    this.#options.onCreated(window);
    void window.loadURL(panelUrl);
    return window;
  }
}
