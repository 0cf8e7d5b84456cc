// Keeps a batch of activity small enough for the host and the panel: the rare events that a person must see stay, of the rest the newest.

import type { ActivityEvent, ActivityKind } from '../../shared/activity.ts';

const important: ReadonlySet<ActivityKind> = new Set(['STALE', 'ERROR', 'CONFLICT', 'REMOVE', 'RENAME']);

/** In the order they came. `dropped` counts what was left out. */
export function trimActivity(
  events: readonly ActivityEvent[],
  limit: number,
): { readonly events: readonly ActivityEvent[]; readonly dropped: number } {
  if (events.length <= limit) return { events, dropped: 0 };
  const chosen = new Set(events.filter((event) => important.has(event.kind)).slice(-limit));
  for (let index = events.length - 1; index >= 0 && chosen.size < limit; index -= 1) {
    const event = events[index];
    if (event !== undefined) chosen.add(event);
  }
  return { events: events.filter((event) => chosen.has(event)), dropped: events.length - chosen.size };
}
