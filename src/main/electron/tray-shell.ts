// The icon in the menu bar or tray: draws the face and the menu that pure functions chose, and hands clicks on. Decides nothing.

import { Menu, nativeImage, nativeTheme, Tray } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';
import { join } from 'node:path';
import type { Clock, Timer } from '../../shared/log.ts';
import type { TrayAction, TrayEntry } from '../tray/tray-menu.ts';
import { trayImageName } from '../tray/tray-icon.ts';
import type { TrayFace } from '../tray/tray-icon.ts';

export interface TrayShellOptions {
  readonly imageDir: string;
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly face: () => TrayFace;
  readonly menu: () => readonly TrayEntry[];
  readonly onAction: (action: TrayAction) => void;
  readonly onToggle: () => void;
}

/** An open menu that is replaced all the time cannot be read. */
const redrawEveryMs = 300;

export class TrayShell {
  readonly #options: TrayShellOptions;
  readonly #tray: Tray;
  readonly #redraw = (): void => this.changed();
  #menu: Menu | null = null;
  #drawn = '';
  #drawnAt = 0;
  #imageName = '';
  #timer: Timer | null = null;
  #faceTimer: Timer | null = null;

  constructor(options: TrayShellOptions) {
    this.#options = options;
    this.#tray = new Tray(nativeImage.createEmpty());
    this.#tray.on('click', options.onToggle);
    // macOS opens an attached menu on every click; there the panel comes with a click and the menu with a right click.
    if (options.platform === 'darwin') this.#tray.on('right-click', () => this.#popUp());
    nativeTheme.on('updated', this.#redraw);
    this.#draw();
  }

  /** Draws soon; many changes at once are drawn once. */
  changed(): void {
    const { clock } = this.#options;
    const waitMs = Math.max(0, this.#drawnAt + redrawEveryMs - clock.monotonic());
    this.#timer ??= clock.schedule(waitMs, () => {
      this.#timer = null;
      this.#draw();
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#faceTimer?.cancel();
    nativeTheme.off('updated', this.#redraw);
    this.#tray.destroy();
  }

  #draw(): void {
    this.#drawnAt = this.#options.clock.monotonic();
    this.#drawFace();
    const entries = this.#options.menu();
    const drawn = JSON.stringify(entries);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#menu = Menu.buildFromTemplate(this.#templateOf(entries));
    if (this.#options.platform !== 'darwin') this.#tray.setContextMenu(this.#menu);
  }

  #drawFace(): void {
    const { platform, env, imageDir, clock } = this.#options;
    const face = this.#options.face();
    const isDark = nativeTheme.shouldUseDarkColorsForSystemIntegratedUI;
    const name = trayImageName(face.icon, { platform, isDark, desktop: env['XDG_CURRENT_DESKTOP'] ?? '' });
    if (name !== this.#imageName) {
      this.#imageName = name;
      const image = nativeImage.createFromPath(join(imageDir, name));
      if (platform === 'darwin') image.setTemplateImage(true);
      this.#tray.setImage(image);
    }
    this.#tray.setToolTip(face.sentence);
    this.#faceTimer?.cancel();
    this.#faceTimer = face.changesInMs === null ? null : clock.schedule(face.changesInMs, this.#redraw);
  }

  #popUp(): void {
    if (this.#menu !== null) this.#tray.popUpContextMenu(this.#menu);
  }

  #templateOf(entries: readonly TrayEntry[]): MenuItemConstructorOptions[] {
    return entries.map((entry) => {
      if (entry.kind === 'separator') return { type: 'separator' };
      if (entry.kind === 'submenu') return { label: entry.label, submenu: this.#templateOf(entry.items) };
      const { label, action } = entry;
      if (action === null) return { label, enabled: false };
      return { label, click: () => this.#options.onAction(action) };
    });
  }
}
