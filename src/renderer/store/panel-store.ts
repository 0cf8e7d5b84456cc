// Everything the views draw from: the host's state as it was sent, how the link is, alerts, and which view is open. Follows the host
// and never guesses: no action here changes what the host owns.

import { createStore } from 'zustand/vanilla';
import type { StoreApi } from 'zustand/vanilla';
import type { ActivityBatch, Api } from '../../shared/contract.ts';
import type { HostState } from '../../shared/model.ts';
import type { Connection, LinkStatus } from '../transport/connection.ts';
import { ActivityFeed } from './activity-feed.ts';
import { addAlerts, alertOf } from './alerts.ts';
import type { Alert } from './alerts.ts';
import { FileChains } from './file-chains.ts';
import { Meter } from './meter.ts';

export type ViewName = 'mounts' | 'activity' | 'pending' | 'settings';

export interface PanelState {
  readonly link: LinkStatus;
  /** Null until the first snapshot. Kept while the link is lost. */
  readonly host: HostState | null;
  readonly alerts: readonly Alert[];
  /** By mount: the STALE count up to which alerts were put away. */
  readonly staleSeen: ReadonlyMap<string, number>;
  readonly view: ViewName;
  /** The mount whose activity or pending changes were asked for; null for all. */
  readonly chosenMount: string | null;
  readonly pickerIsOpen: boolean;
  /** The next step after signing in is choosing what to mount. */
  readonly picksAfterSignIn: boolean;
}

export interface Panel {
  readonly api: Api;
  readonly isDesktop: boolean;
  readonly store: StoreApi<PanelState>;
  readonly feed: ActivityFeed;
  readonly chains: FileChains;
  readonly meter: Meter;
  /** Activity is sent only while somebody can see it. */
  setVisible(visible: boolean): void;
  close(): void;
}

export interface PanelOptions {
  readonly connection: Connection;
  readonly onFrame: (callback: () => void) => void;
  readonly now: () => number;
}

export function createPanel({ connection, onFrame, now }: PanelOptions): Panel {
  const { api } = connection;
  const feed = new ActivityFeed(onFrame);
  const chains = new FileChains();
  const meter = new Meter();
  const store = createStore<PanelState>(() => ({
    link: connection.status,
    host: null,
    alerts: [],
    staleSeen: new Map(),
    view: 'mounts',
    chosenMount: null,
    pickerIsOpen: false,
    picksAfterSignIn: false,
  }));
  let visible = true;
  /** Revisions of another run of the host do not compare. */
  let isNewLink = true;

  const takeState = (host: HostState): void => {
    const known = store.getState().host;
    if (known !== null && !isNewLink && host.revision <= known.revision) return;
    isNewLink = false;
    meter.observe(host.mounts, now());
    const { picksAfterSignIn } = store.getState();
    if (picksAfterSignIn && host.token !== 'none') {
      store.setState({ host, picksAfterSignIn: false, pickerIsOpen: true });
    } else store.setState({ host });
  };
  const takeActivity = (batch: ActivityBatch): void => {
    const alerts = batch.mounts.flatMap((mount) =>
      mount.events.map((event) => alertOf(mount, event)).filter((alert) => alert !== null),
    );
    for (const mount of batch.mounts) chains.add(mount);
    if (alerts.length > 0) store.setState((state) => ({ alerts: addAlerts(state.alerts, alerts) }));
  };
  const subscribeActivity = async (): Promise<void> => {
    const backlog = await api.call('activity:subscribe', { target: null });
    takeActivity({ mounts: feed.addBacklog(backlog) });
  };
  const ignoreLostLink = (): void => {
    // The link broke meanwhile; the next one subscribes again.
  };
  const start = (): void => {
    isNewLink = true;
    void api.call('state:subscribe', null).then(takeState, ignoreLostLink);
    if (visible) void subscribeActivity().catch(ignoreLostLink);
  };

  const stops = [
    api.on('state:changed', takeState),
    api.on('activity:batch', (batch) => {
      feed.add(batch);
      takeActivity(batch);
    }),
    connection.onStatus((link) => {
      store.setState({ link });
      if (link === 'open') start();
    }),
  ];
  if (connection.status === 'open') start();

  return {
    api,
    isDesktop: connection.isDesktop,
    store,
    feed,
    chains,
    meter,
    setVisible(isVisible) {
      if (visible === isVisible) return;
      visible = isVisible;
      if (store.getState().link !== 'open') return;
      const asked = visible ? subscribeActivity() : api.call('activity:unsubscribe', null);
      asked.catch(ignoreLostLink);
    },
    close() {
      for (const stop of stops) stop();
      connection.close();
    },
  };
}

export function show(store: StoreApi<PanelState>, view: ViewName, chosenMount: string | null = null): void {
  store.setState({ view, chosenMount });
}

/** The person has read an alert; the STALE answers counted so far are known. */
export function putAlertsAway(store: StoreApi<PanelState>, mountId: string): void {
  store.setState(({ alerts, staleSeen, host }) => {
    const stale = host?.mounts.find((mount) => mount.id === mountId)?.counters.stale ?? 0;
    return {
      alerts: alerts.filter((alert) => alert.mountId !== mountId),
      staleSeen: new Map(staleSeen).set(mountId, stale),
    };
  });
}
