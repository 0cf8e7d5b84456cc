// How this installation takes updates. Pure; the Electron shell asks the updater for exactly this.

export type UpdatePolicy =
  /** Fetched in the background, put in place when the app quits by itself: mounts are never interrupted for it. */
  | 'install-on-quit'
  /** A package of the system: the person is told, the package manager installs. */
  | 'tell'
  | 'none';

export interface Installation {
  readonly isPackaged: boolean;
  /** The build names a place for updates. */
  readonly hasFeed: boolean;
  readonly platform: NodeJS.Platform;
  /** `$APPIMAGE`. */
  readonly appImage: string | undefined;
}

export function updatePolicyOf({ isPackaged, hasFeed, platform, appImage }: Installation): UpdatePolicy {
  if (!isPackaged || !hasFeed) return 'none';
  return platform === 'darwin' || appImage !== undefined ? 'install-on-quit' : 'tell';
}
