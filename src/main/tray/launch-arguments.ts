// What the desktop app was started with, by a person, by the system at login or by a second start. Unknown words are left alone: the
// runtime has options of its own.

import { findDeepLink } from './deep-link.ts';

export interface LaunchArguments {
  /** Start in the tray, show nothing. */
  readonly hidden: boolean;
  /** Begin with the embedded Hub. */
  readonly demo: boolean;
  /** A `hubdrive://` address to ask about. */
  readonly link: string | null;
}

/** At login the app starts with it. */
export const hiddenFlag = '--hidden';

export function readLaunchArguments(argv: readonly string[]): LaunchArguments {
  return { hidden: argv.includes(hiddenFlag), demo: argv.includes('--demo'), link: findDeepLink(argv) };
}

/** A person who started the app by hand and has nothing mounted yet would otherwise see only a small icon. */
export function opensPanelAtStart(launch: LaunchArguments, knownMounts: number): boolean {
  return !launch.hidden && launch.link === null && knownMounts === 0;
}
