// Which of the tray's shapes says best how all mounts are, and in how many words. Pure: the host's state goes in, a name goes out; the
// Electron shell turns the name into an image.

import type { HostState, MountView } from '../../shared/model.ts';
import { sayCount, sayUnsent } from './amounts.ts';

/** Each has a shape of its own; `scripts/make-assets.mjs` draws one file set per name. */
export const trayIconNames = ['idle', 'transferring', 'waiting', 'paused', 'offline', 'attention'] as const;
export type TrayIconName = (typeof trayIconNames)[number];

/** Nothing is called idle that moved this recently. */
export const quietAfterMs = 5000;

/** Per mount id, how many STALE answers a person has been shown already. */
export type SeenStale = ReadonlyMap<string, number>;

export interface TrayFace {
  readonly icon: TrayIconName;
  /** For the tooltip and for screen readers. */
  readonly sentence: string;
  /** Milliseconds until the face may change by itself, null if only a new state can change it. */
  readonly changesInMs: number | null;
}

/** `state` null: no host serves at the moment. `now`: milliseconds since the epoch. */
export function trayFaceOf(state: HostState | null, seen: SeenStale, now: number): TrayFace {
  if (state === null) return { icon: 'waiting', sentence: 'Hubdrive is starting', changesInMs: null };
  const { mounts } = state;
  const changesInMs = untilQuiet(mounts, now);
  const face = (icon: TrayIconName, sentence: string): TrayFace => ({
    icon,
    sentence: `Hubdrive: ${sentence}`,
    changesInMs,
  });
  const troubled = mounts.filter((mount) => needsAttention(mount, seen));
  if (troubled.length > 0)
    return face('attention', `${sayCount(troubled.length, 'mount needs', 'mounts need')} attention`);
  const pending = totalPending(mounts);
  const waiting = pending.files === 0 ? '' : `, ${sayUnsent(pending)} to send`;
  const served = mounts.filter(isServed);
  if (state.quitting) return face('transferring', `quitting${waiting}`);
  if (served.some((mount) => mount.uploadsPaused)) return face('paused', `uploads are paused${waiting}`);
  if (served.some((mount) => mount.link === 'offline')) return face('offline', `the Hub is away${waiting}`);
  if (mounts.some((mount) => isMoving(mount, now))) return face('transferring', `working${waiting}`);
  if (pending.files > 0) return face('waiting', `${sayUnsent(pending)} to send`);
  return face('idle', served.length === 0 ? 'nothing is mounted' : 'everything is up to date');
}

export function totalPending(mounts: readonly MountView[]): MountView['pending'] {
  return mounts.reduce(
    (sum, { pending }) => ({ files: sum.files + pending.files, bytes: sum.bytes + pending.bytes }),
    { files: 0, bytes: 0 },
  );
}

export function isServed(mount: MountView): boolean {
  return mount.state === 'mounted' || mount.state === 'draining';
}

export function unseenStale(mount: MountView, seen: SeenStale): number {
  return Math.max(0, mount.counters.stale - (seen.get(mount.id) ?? 0));
}

export function needsAttention(mount: MountView, seen: SeenStale): boolean {
  if (mount.state === 'failed' || (mount.conflicts ?? 0) > 0 || unseenStale(mount, seen) > 0) return true;
  if (mount.state === 'mounted' && mount.server === 'down') return true;
  return mount.lastError !== null && !mount.lastError.retryable;
}

function isMoving(mount: MountView, now: number): boolean {
  switch (mount.state) {
    case 'connecting':
    case 'attaching':
    case 'detaching':
    case 'draining':
      return true;
    case 'mounted':
      return mount.server === 'restarting' || quietIn(mount, now) > 0;
    case 'idle':
    case 'orphaned':
    case 'failed':
      return false;
  }
}

function quietIn(mount: MountView, now: number): number {
  return mount.lastActivityAt === null ? 0 : mount.lastActivityAt + quietAfterMs - now;
}

function untilQuiet(mounts: readonly MountView[], now: number): number | null {
  const longest = Math.max(0, ...mounts.filter(isServed).map((mount) => quietIn(mount, now)));
  return longest > 0 ? Math.ceil(longest) : null;
}

export interface Bar {
  readonly platform: NodeJS.Platform;
  /** Of the system's own surfaces, where it says so. */
  readonly isDark: boolean;
  /** `XDG_CURRENT_DESKTOP`. */
  readonly desktop: string;
}

/** The file's name in `assets/tray`. macOS colours template images itself; GNOME's bar is dark under every theme. */
export function trayImageName(icon: TrayIconName, { platform, isDark, desktop }: Bar): string {
  if (platform === 'darwin') return `${icon}Template.png`;
  return isDark || /gnome|unity/i.test(desktop) ? `${icon}-on-dark.png` : `${icon}-on-light.png`;
}
