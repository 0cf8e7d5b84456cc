// What one mount is doing, as one honest sentence and a glyph. Pure: state as sent, measured rates and the time go in. Used by the mount
// rows; the tray has its own words.

import type { MountView } from '../../shared/model.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatRate, formatUntil } from './format.ts';
import { strings } from './strings.ts';

/** Distinct shapes, not only colours. */
export type Glyph =
  | 'off'
  | 'moving'
  | 'idle'
  | 'active'
  | 'up'
  | 'down'
  | 'waiting'
  | 'paused'
  | 'offline'
  | 'conflict'
  | 'attention';

export interface MountSentence {
  readonly glyph: Glyph;
  readonly text: string;
  /** More about a problem, with the next step. */
  readonly detail: string | null;
}

/** Bytes a second over the last few seconds. */
export interface Rates {
  readonly read: number;
  readonly write: number;
  readonly up: number;
  readonly down: number;
}

export const noRates: Rates = { read: 0, write: 0, up: 0, down: 0 };

/** Nobody calls a mount idle that answered something this recently. */
export const idleAfterMs = 5000;

/** What is known beside the mount itself. */
export interface Observed {
  readonly rates: Rates;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** STALE answers that nobody has put away yet. */
  readonly unseenStale: number;
}

export function describeMount(mount: MountView, observed: Observed): MountSentence {
  const problem = mount.lastError?.message ?? null;
  const words = strings.mount;
  switch (mount.state) {
    case 'failed':
      return sentence('attention', words.failed, problem);
    case 'orphaned':
      return sentence('attention', words.orphaned, problem);
    case 'connecting':
      return sentence('moving', words.connecting);
    case 'attaching':
      return sentence('moving', words.attaching);
    case 'detaching':
      return sentence('moving', words.detaching);
    case 'draining':
      return describeDraining(mount, observed.rates);
    case 'idle':
      if (mount.pending.files > 0) return sentence('waiting', words.offWithUnsent(amount(mount)), problem);
      return problem === null ? sentence('off', words.off) : sentence('attention', words.off, problem);
    case 'mounted':
      return describeMounted(mount, observed);
  }
}

function describeDraining(mount: MountView, rates: Rates): MountSentence {
  const words = strings.mount;
  if (mount.pending.files === 0) return sentence('moving', words.detaching);
  const rate = rates.up > 0 ? formatRate(rates.up) : null;
  return sentence('up', words.draining(amount(mount), rate), mount.lastError?.message ?? null);
}

function describeMounted(mount: MountView, observed: Observed): MountSentence {
  const words = strings.mount;
  const problem = mount.lastError?.message ?? null;
  const waits = mount.pending.files > 0;
  const { rates, now, unseenStale } = observed;
  if (mount.server === 'restarting') return sentence('moving', words.restarting, problem);
  if (mount.server === 'down') return sentence('attention', words.serverDown, problem);
  if (unseenStale > 0) return sentence('attention', words.stale(unseenStale), problem);
  if (mount.link === 'offline') {
    return sentence('offline', waits ? words.offlineWaiting(amount(mount)) : words.offline, problem);
  }
  if ((mount.conflicts ?? 0) > 0) return sentence('conflict', words.conflicts(mount.conflicts ?? 0), problem);
  if (mount.uploadsPaused) {
    const paused = words.paused(mount.pausedUntil === undefined ? null : formatUntil(mount.pausedUntil, now));
    return sentence('paused', waits ? words.pausedWaiting(paused, amount(mount)) : paused, problem);
  }
  if (waits) {
    if (problem !== null) return sentence('waiting', words.waiting(amount(mount)), problem);
    if (rates.up > 0) return sentence('up', words.sending(amount(mount), formatRate(rates.up)));
    return sentence('waiting', words.waiting(amount(mount)));
  }
  if (problem !== null) return sentence('attention', words.problem, problem);
  return describeWork(mount, rates, now);
}

function describeWork(mount: MountView, rates: Rates, now: number): MountSentence {
  const words = strings.mount;
  if (rates.up > 0) return sentence('up', words.sendingLast(formatRate(rates.up)));
  if (rates.down > 0) return sentence('down', words.fetching(formatRate(rates.down)));
  if (rates.write > 0) return sentence('active', words.writing(formatRate(rates.write)));
  if (rates.read > 0) return sentence('active', words.reading(formatRate(rates.read)));
  if (mount.lastActivityAt !== null && now - mount.lastActivityAt < idleAfterMs) {
    return sentence('active', words.active);
  }
  return sentence('idle', mount.serverOnly ? words.servedIdle : words.idle);
}

function amount(mount: MountView): string {
  const { files, bytes } = mount.pending;
  const counted = strings.count.changes(files);
  return bytes === 0 ? counted : `${counted} (${formatBytes(bytes)})`;
}

function sentence(glyph: Glyph, text: string, detail: string | null = null): MountSentence {
  return { glyph, text, detail };
}
