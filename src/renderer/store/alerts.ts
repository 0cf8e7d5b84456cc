// What nobody may miss: stale handles and refused writes. Collected from activity, and from the counters for what came before the page was
// open or too fast to be listed. An alert stays until a person puts it away.

import type { MountActivity } from '../../shared/contract.ts';
import type { ActivityEvent } from '../../shared/activity.ts';
import type { MountView } from '../../shared/model.ts';

export interface Alert {
  readonly key: string;
  readonly kind: 'stale' | 'lost-write';
  readonly mountId: string;
  readonly source: string;
  readonly path: string;
  readonly at: number;
  /** The procedure and status, as the event says. */
  readonly cause: string;
  /** Events of the same kind on the same file. */
  readonly count: number;
}

const maxAlerts = 50;
/** The detail of an error begins with the procedure that was answered so. */
const writeRefused = /^(?:WRITE|COMMIT)\b/;

export function alertOf(mount: MountActivity, event: ActivityEvent): Alert | null {
  const isStale = event.kind === 'STALE';
  const cause = event.detail ?? event.kind;
  if (!isStale && !(event.kind === 'ERROR' && writeRefused.test(cause))) return null;
  const kind = isStale ? 'stale' : 'lost-write';
  const { mountId, source } = mount;
  const { path, at } = event;
  return { key: `${kind}\n${mountId}\n${path}`, kind, mountId, source, path, at, cause, count: 1 };
}

/** Newest first; repeats on one file become one. */
export function addAlerts(known: readonly Alert[], fresh: readonly Alert[]): readonly Alert[] {
  let alerts = known;
  for (const alert of fresh) {
    const before = alerts.find((each) => each.key === alert.key);
    const merged = before === undefined ? alert : { ...alert, count: before.count + 1 };
    alerts = [merged, ...alerts.filter((each) => each !== before)].slice(0, maxAlerts);
  }
  return alerts;
}

/** How many STALE answers of a mount nobody has put away. An engine that starts again counts from zero. */
export function unseenStale(mount: MountView, putAway: ReadonlyMap<string, number>): number {
  const before = putAway.get(mount.id) ?? 0;
  return mount.counters.stale >= before ? mount.counters.stale - before : mount.counters.stale;
}
