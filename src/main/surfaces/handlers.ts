// The contract carried out: one handler per request channel, over the manager, the feed, the settings and the doctor. No transport here.

import type { Caller } from '../../shared/contract.ts';
import type {
  CacheView,
  DoctorReport,
  LogExport,
  PendingEntry,
  PendingList,
  Settings,
} from '../../shared/model.ts';
import type { PendingItem } from '../../vfs/parts.ts';
import type { ActivityFeed } from './activity-feed.ts';
import type { ConflictNotices } from './conflict-notices.ts';
import type { MountController } from '../mounts/mount-controller.ts';
import type { MountManager } from '../mounts/mount-manager.ts';
import { HostError } from '../problem.ts';
import type { SettingsStore } from '../settings.ts';
import type { StatePublisher } from './state-publisher.ts';
import type { CoreHandlers } from './unavailable-handlers.ts';

export interface HandlerParts {
  readonly manager: MountManager;
  readonly feed: ActivityFeed;
  readonly publisher: StatePublisher;
  readonly conflicts: ConflictNotices;
  readonly settings: SettingsStore;
  readonly onSettings: (settings: Settings) => void;
  readonly describeCache: () => CacheView;
  /** Resolves to the bytes freed. */
  readonly freeCache: () => Promise<number>;
  readonly exportLogs: () => Promise<LogExport>;
  readonly runDoctor: () => Promise<DoctorReport>;
  readonly beginQuit: (now: boolean) => void;
}

/** One list answers at most this many items of all mounts together. */
const maxListedItems = 5000;

export function createHandlers(parts: HandlerParts): CoreHandlers {
  const { manager, feed, publisher, settings, conflicts } = parts;
  const idsOf = (target: string | null) =>
    target === null ? null : manager.targets(target).map((controller) => controller.record.id);
  return {
    'state:subscribe': (_none, caller) => publisher.subscribe(caller),
    'state:get': async () => {
      await refresh(manager.all());
      return publisher.snapshot();
    },
    'mounts:mount': (argument, caller) => manager.mount(argument, caller.gone),
    'mounts:unmount': async (argument) => ({ mount: await manager.unmount(argument) }),
    'mounts:cancel': ({ mountId }) => {
      manager.cancel(mountId);
      return null;
    },
    'mounts:forget': async ({ mountId }) => {
      await manager.forget(mountId);
      feed.forget(mountId);
      conflicts.forget(mountId);
      return null;
    },
    'mounts:dismiss': ({ mountId }) => {
      manager.byId(mountId).dispatch({ type: 'dismissed' });
      return null;
    },
    'mounts:flush': async ({ target }, caller) => {
      await flush(manager.targets(target), caller, target !== null);
      return null;
    },
    'mounts:pending': ({ target }) => listPending(manager.targets(target)),
    'mounts:retry': async ({ mountId, itemId }) => {
      await manager.byId(mountId).engine.current.retryNow(itemId);
      return null;
    },
    'mounts:discard': async ({ mountId, itemId }) => {
      await manager.byId(mountId).engine.current.discard(itemId);
      return null;
    },
    'mounts:pause': async ({ target, until }) => {
      await Promise.all(manager.targets(target).map((controller) => controller.setPaused(true, until)));
      return null;
    },
    'mounts:resume': async ({ target }) => {
      await Promise.all(manager.targets(target).map((controller) => controller.setPaused(false)));
      return null;
    },
    'mounts:conflicts': ({ target }) =>
      conflicts.list(idsOf(target) ?? manager.all().map((each) => each.record.id)),
    'mounts:resolve': async ({ mountId, conflictId, choice }) => {
      await conflicts.resolve(mountId, conflictId, choice);
      return null;
    },
    'activity:subscribe': ({ target }, caller) => feed.subscribe(caller, idsOf(target)),
    'activity:backlog': async ({ target }) => {
      await refresh(manager.targets(target));
      return feed.backlog(idsOf(target));
    },
    'activity:unsubscribe': (_none, caller) => {
      feed.unsubscribe(caller);
      return null;
    },
    'settings:get': () => settings.current,
    'settings:set': async (change) => {
      const changed = await settings.change(change);
      parts.onSettings(changed);
      return changed;
    },
    'cache:get': () => parts.describeCache(),
    'cache:free': async () => ({ freedBytes: await parts.freeCache() }),
    'logs:export': () => parts.exportLogs(),
    'doctor:run': () => parts.runDoctor(),
    'host:quit': ({ now }) => {
      parts.beginQuit(now);
      return null;
    },
  };
}

async function refresh(controllers: readonly MountController[]): Promise<void> {
  await Promise.all(controllers.map((controller) => controller.engine.refresh()));
}

/** All are tried; the first failure is reported. A named mount must be running. */
async function flush(
  controllers: readonly MountController[],
  caller: Caller,
  isNamed: boolean,
): Promise<void> {
  const running = isNamed ? controllers : controllers.filter((controller) => controller.engine.isRunning);
  const paused = running.find((controller) => controller.engine.isPaused);
  if (paused !== undefined)
    throw new HostError('unsent', `Uploads of “${paused.record.source}” are paused; resume them first`);
  const results = await Promise.allSettled(
    running.map((controller) => controller.engine.current.flush(caller.gone)),
  );
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

async function listPending(controllers: readonly MountController[]): Promise<PendingList> {
  const items: PendingEntry[] = [];
  let omitted = 0;
  for (const controller of controllers) {
    if (!controller.engine.isRunning) {
      omitted += controller.record.unsent.files;
      continue;
    }
    const { id, source } = controller.record;
    const list = await controller.engine.current.pending();
    const room = Math.max(0, maxListedItems - items.length);
    items.push(...list.items.slice(0, room).map((item) => entryOf(item, id, source)));
    omitted += list.omitted + Math.max(0, list.items.length - room);
  }
  return { items, omitted };
}

function entryOf(item: PendingItem, mountId: string, source: string): PendingEntry {
  const { state, ...about } = item;
  return { mountId, source, ...about, ...state };
}
