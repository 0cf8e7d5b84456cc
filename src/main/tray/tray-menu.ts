// The tray's menu as plain data: which items there are, in which words, and what each would do. Pure; the Electron shell draws it and
// `tray-actions.ts` carries an action out.

import type { HostState, MountView, PauseLength } from '../../shared/model.ts';
import { sayUnsent } from './amounts.ts';
import { isServed, needsAttention, quietAfterMs, totalPending, unseenStale } from './tray-icon.ts';
import type { SeenStale } from './tray-icon.ts';

export type TrayAction =
  | { readonly type: 'mount'; readonly mountId: string }
  | { readonly type: 'cancel'; readonly mountId: string }
  | { readonly type: 'unmount'; readonly mountId: string }
  | { readonly type: 'open'; readonly mountId: string }
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'pause'; readonly until: PauseLength }
  | { readonly type: 'resume' }
  | { readonly type: 'panel' }
  | { readonly type: 'quit' };

export interface TrayItem {
  readonly kind: 'item';
  readonly label: string;
  /** Null: shown greyed, for reading only. */
  readonly action: TrayAction | null;
}

export interface TraySubmenu {
  readonly kind: 'submenu';
  readonly label: string;
  readonly items: readonly TrayEntry[];
}

export type TrayEntry = TrayItem | TraySubmenu | { readonly kind: 'separator' };

export interface TrayMenuInput {
  /** Null: no host serves at the moment. */
  readonly state: HostState | null;
  readonly seen: SeenStale;
  readonly now: number;
}

/** Recent sources beyond these are in the panel. */
const maxRecent = 8;
const separator: TrayEntry = { kind: 'separator' };

export function buildTrayMenu(input: TrayMenuInput): readonly TrayEntry[] {
  const { state } = input;
  const panel = item('Open panel', { type: 'panel' });
  const quit = item(state?.quitting === true ? 'Quit now' : 'Quit Hubdrive', { type: 'quit' });
  if (state === null) return [text('Starting …'), separator, panel, quit];
  const shown = state.mounts.filter((mount) => mount.state !== 'idle' || mount.pending.files > 0);
  const recent = state.mounts.filter((mount) => !shown.includes(mount)).slice(0, maxRecent);
  return [
    ...section(shown.map((mount) => mountEntry(mount, input))),
    ...section(recent.length === 0 ? [] : [submenu('Mount a recent source', recent.map(mountItem))]),
    ...(state.mounts.length === 0 ? [text('Nothing is mounted'), separator] : []),
    ...section(transferItems(state, input)),
    panel,
    quit,
  ];
}

function mountEntry(mount: MountView, input: TrayMenuInput): TrayEntry {
  const label = `${titleOf(mount)} — ${stateInWords(mount, input)}`;
  return submenu(label, mountActions(mount));
}

function mountActions(mount: MountView): readonly TrayEntry[] {
  const { id: mountId, mountPoint } = mount;
  const copy = mountPoint === null ? [] : [item('Copy path', { type: 'copy', text: mountPoint })];
  switch (mount.state) {
    case 'mounted':
      return [
        ...(mountPoint === null ? [] : [item('Open folder', { type: 'open', mountId })]),
        ...copy,
        item('Unmount', { type: 'unmount', mountId }),
      ];
    case 'connecting':
    case 'attaching':
    case 'draining':
      return [...copy, item('Cancel', { type: 'cancel', mountId })];
    case 'detaching':
      return [...copy, text('Unmounting …')];
    case 'failed':
    case 'idle':
    case 'orphaned':
      return [item('Mount', { type: 'mount', mountId }), ...copy];
  }
}

function mountItem(mount: MountView): TrayEntry {
  return item(titleOf(mount), { type: 'mount', mountId: mount.id });
}

function titleOf({ source, revision }: MountView): string {
  const name = source.replace(/^[^/]*\//, '');
  // Menus of Linux and Windows take a single ampersand for a keyboard hint.
  return (revision === null ? name : `${name} @ ${revision}`).replaceAll('&', '&&');
}

/** Same words as the panel uses, in a few of them. */
function stateInWords(mount: MountView, { seen, now }: TrayMenuInput): string {
  const unsent = mount.pending.files > 0 ? sayUnsent(mount.pending) : null;
  const to = unsent === null ? '' : `, ${unsent} to send`;
  switch (mount.state) {
    case 'connecting':
    case 'attaching':
      return 'mounting …';
    case 'detaching':
      return 'unmounting …';
    case 'draining':
      return unsent === null ? 'unmounting …' : `sending ${unsent}`;
    case 'failed':
      return 'could not be mounted';
    case 'orphaned':
      return 'left by an earlier run';
    case 'idle':
      return unsent === null ? 'not mounted' : `not mounted, ${unsent} kept here`;
    case 'mounted':
      break;
  }
  if (unseenStale(mount, seen) > 0) return `a file was lost to programs${to}`;
  if ((mount.conflicts ?? 0) > 0) return `conflict${to}`;
  if (needsAttention(mount, seen)) return `needs attention${to}`;
  if (mount.uploadsPaused) return `paused${to}`;
  if (mount.link === 'offline') return `offline${to}`;
  if (unsent !== null) return `${unsent} to send`;
  const isQuiet = mount.lastActivityAt === null || now - mount.lastActivityAt >= quietAfterMs;
  return isQuiet ? 'idle' : 'working';
}

function transferItems(state: HostState, { now }: TrayMenuInput): readonly TrayEntry[] {
  const pending = totalPending(state.mounts);
  const count = pending.files === 0 ? [] : [item(`${sayUnsent(pending)} to send`, { type: 'panel' })];
  const served = state.mounts.filter(isServed);
  if (served.length === 0) return count;
  const paused = served.filter((mount) => mount.uploadsPaused);
  if (paused.length === 0) {
    const choices = [
      item('For 1 hour', { type: 'pause', until: 'hour' }),
      item('Until tomorrow', { type: 'pause', until: 'tomorrow' }),
    ];
    return [...count, submenu('Pause uploads', choices)];
  }
  // One that goes on until somebody resumes it counts most.
  const pausedUntil = Math.max(...paused.map((mount) => mount.pausedUntil ?? Infinity));
  const until = pausedUntil === Infinity ? '' : ` (paused until ${clockOf(pausedUntil, now)})`;
  return [...count, item(`Resume uploads${until}`, { type: 'resume' })];
}

function clockOf(at: number, now: number): string {
  const date = new Date(at);
  const time = `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
  return new Date(now).toDateString() === date.toDateString() ? time : `tomorrow ${time}`;
}

function item(label: string, action: TrayAction): TrayItem {
  return { kind: 'item', label, action };
}

function text(label: string): TrayItem {
  return { kind: 'item', label, action: null };
}

function submenu(label: string, items: readonly TrayEntry[]): TraySubmenu {
  return { kind: 'submenu', label, items };
}

function section(entries: readonly TrayEntry[]): readonly TrayEntry[] {
  return entries.length === 0 ? [] : [...entries, separator];
}
