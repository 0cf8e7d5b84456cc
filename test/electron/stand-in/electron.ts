// A stand-in for the `electron` module: the parts that src/main/electron uses, acting in this process, with real headless Chromium pages
// for windows. Tests import it too, to click, to answer dialogs and to look at what happened. Not a model of Electron's whole behaviour.

import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { protocolHandlers, StandInWindow } from './window.ts';

export { ipcMain } from './ipc-main.ts';
export { StandInWindow as BrowserWindow } from './window.ts';

export class StandInEvent {
  defaultPrevented = false;
  preventDefault(): void {
    this.defaultPrevented = true;
  }
}

class App extends EventEmitter {
  isPackaged = false;
  isOnlyInstance = true;
  hasEnded = false;
  exitCode: number | null = null;
  readonly paths = new Map<string, string>();
  protocolClient: string | null = null;
  opensAtLogin = false;
  wasOpenedAtLogin = false;

  whenReady(): Promise<void> {
    return Promise.resolve();
  }

  requestSingleInstanceLock(): boolean {
    return this.isOnlyInstance;
  }

  setPath(name: string, path: string): void {
    if (!existsSync(path)) throw new Error(`${path} does not exist`);
    this.paths.set(name, path);
  }

  setAsDefaultProtocolClient(scheme: string): boolean {
    this.protocolClient = scheme;
    return true;
  }

  setLoginItemSettings({ openAtLogin }: { readonly openAtLogin: boolean }): void {
    this.opensAtLogin = openAtLogin;
  }

  getLoginItemSettings(): { wasOpenedAtLogin: boolean; openAtLogin: boolean } {
    return { wasOpenedAtLogin: this.wasOpenedAtLogin, openAtLogin: this.opensAtLogin };
  }

  quit(): void {
    const event = new StandInEvent();
    this.emit('before-quit', event);
    if (event.defaultPrevented) return;
    this.emit('will-quit', new StandInEvent());
    this.#end(0);
  }

  exit(code = 0): void {
    this.#end(code);
  }

  #end(code: number): void {
    this.hasEnded = true;
    this.exitCode = code;
    this.emit('quit', new StandInEvent(), code);
  }

  reset(): void {
    this.removeAllListeners();
    this.isOnlyInstance = true;
    this.hasEnded = false;
    this.exitCode = null;
    this.protocolClient = null;
    this.opensAtLogin = false;
    this.wasOpenedAtLogin = false;
    this.isPackaged = false;
  }
}
export const app = new App();

interface MenuTemplateItem {
  readonly label?: string;
  readonly type?: string;
  readonly enabled?: boolean;
  readonly submenu?: readonly MenuTemplateItem[];
  readonly click?: () => void;
}

export class Menu {
  readonly items: readonly MenuTemplateItem[];

  constructor(items: readonly MenuTemplateItem[]) {
    this.items = items;
  }

  static buildFromTemplate(items: readonly MenuTemplateItem[]): Menu {
    return new Menu(items);
  }
}

class NativeImage {
  readonly path: string;
  isTemplate = false;

  constructor(path: string) {
    this.path = path;
  }

  setTemplateImage(isTemplate: boolean): void {
    this.isTemplate = isTemplate;
  }
}

export const nativeImage = {
  createEmpty: () => new NativeImage(''),
  createFromPath: (path: string) => new NativeImage(path),
};

export class Tray extends EventEmitter {
  static current: Tray | null = null;
  image: NativeImage;
  toolTip = '';
  menu: Menu | null = null;
  popped: Menu | null = null;

  constructor(image: NativeImage) {
    super();
    this.image = image;
    Tray.current = this;
  }

  setImage(image: NativeImage): void {
    this.image = image;
  }

  setToolTip(text: string): void {
    this.toolTip = text;
  }

  setContextMenu(menu: Menu | null): void {
    this.menu = menu;
  }

  popUpContextMenu(menu: Menu): void {
    this.popped = menu;
  }

  destroy(): void {
    if (Tray.current === this) Tray.current = null;
  }
}

export const nativeTheme = Object.assign(new EventEmitter(), {
  shouldUseDarkColors: false,
  shouldUseDarkColorsForSystemIntegratedUI: false,
});

export interface OpenDialog {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly string[];
  readonly defaultId: number;
  readonly cancelId: number;
  answer(button: string): void;
}

interface MessageBoxOptions {
  readonly message: string;
  readonly detail?: string;
  readonly buttons?: readonly string[];
  readonly defaultId?: number;
  readonly cancelId?: number;
  readonly signal?: AbortSignal;
}

export const dialog = {
  open: [] as OpenDialog[],
  errors: [] as { readonly title: string; readonly content: string }[],

  showMessageBox(options: MessageBoxOptions): Promise<{ response: number }> {
    const { message, detail = '', buttons = [], defaultId = 0, cancelId = 0, signal } = options;
    return new Promise((resolve) => {
      const close = (response: number): void => {
        dialog.open = dialog.open.filter((other) => other !== shown);
        resolve({ response });
      };
      const shown: OpenDialog = {
        message,
        detail,
        buttons,
        defaultId,
        cancelId,
        answer: (button) => {
          const index = buttons.indexOf(button);
          if (index < 0) throw new Error(`“${message}” has no button “${button}”: ${buttons.join(', ')}`);
          close(index);
        },
      };
      dialog.open.push(shown);
      signal?.addEventListener('abort', () => close(cancelId), { once: true });
    });
  },

  showErrorBox(title: string, content: string): void {
    dialog.errors.push({ title, content });
  },
};

export class Notification extends EventEmitter {
  static shown: Notification[] = [];
  readonly title: string;
  readonly body: string;

  constructor({ title, body }: { readonly title: string; readonly body: string }) {
    super();
    this.title = title;
    this.body = body;
  }

  static isSupported(): boolean {
    return true;
  }

  show(): void {
    Notification.shown.push(this);
  }
}

function turned(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.map((byte) => byte ^ 0xa5));
}

/** Not encryption: turned bytes, so that a test can see that the token is not in a file as it is. */
export const safeStorage = {
  isAvailable: true,
  backend: 'gnome_libsecret',
  isEncryptionAvailable: (): boolean => safeStorage.isAvailable,
  getSelectedStorageBackend: (): string => safeStorage.backend,
  encryptString: (text: string): Buffer => turned(Buffer.from(text)),
  decryptString: (bytes: Buffer): string => turned(bytes).toString(),
};

/** A plain Node process; like Electron's it does not end by itself while its parent holds on. */
export const utilityProcess = {
  fork(path: string, parameters: readonly string[], { env, cwd }: { env: NodeJS.ProcessEnv; cwd: string }) {
    return spawn(process.execPath, [path, ...parameters], { env, cwd, stdio: 'pipe' });
  },
};

export const powerMonitor = new EventEmitter();
export const net = { online: true, isOnline: (): boolean => net.online };

export const clipboard = {
  text: '',
  writeText(text: string): Promise<void> {
    clipboard.text = text;
    return Promise.resolve();
  },
};

export const shell = {
  opened: [] as string[],
  openExternal(url: string): Promise<void> {
    shell.opened.push(url);
    return Promise.resolve();
  },
};

type PermissionRequest = (
  contents: unknown,
  permission: string,
  answer: (allowed: boolean) => void,
  details: { readonly requestingUrl: string },
) => void;
type PermissionCheck = (contents: unknown, permission: string, origin: string) => boolean;

class Session extends EventEmitter {
  permissionRequest: PermissionRequest | null = null;
  permissionCheck: PermissionCheck | null = null;
  devicePermission: (() => boolean) | null = null;

  setPermissionRequestHandler(handler: PermissionRequest): void {
    this.permissionRequest = handler;
  }

  setPermissionCheckHandler(handler: PermissionCheck): void {
    this.permissionCheck = handler;
  }

  setDevicePermissionHandler(handler: () => boolean): void {
    this.devicePermission = handler;
  }
}
export const session = { defaultSession: new Session() };

export const protocol = {
  privileged: [] as unknown[],
  registerSchemesAsPrivileged(schemes: readonly unknown[]): void {
    protocol.privileged.push(...schemes);
  },
  handle(scheme: string, handler: (request: Request) => Response | Promise<Response>): void {
    if (protocolHandlers.has(scheme)) throw new Error(`${scheme} is handled already`);
    protocolHandlers.set(scheme, handler);
  },
};

StandInWindow.onContents = (contents) => app.emit('web-contents-created', new StandInEvent(), contents);

/** As a new process would find everything. */
export async function resetElectron(): Promise<void> {
  await StandInWindow.closeAll();
  app.reset();
  Tray.current = null;
  Notification.shown = [];
  dialog.open = [];
  dialog.errors = [];
  safeStorage.isAvailable = true;
  safeStorage.backend = 'gnome_libsecret';
  powerMonitor.removeAllListeners();
  nativeTheme.removeAllListeners();
  session.defaultSession = new Session();
  net.online = true;
  clipboard.text = '';
  shell.opened = [];
  protocolHandlers.clear();
}
