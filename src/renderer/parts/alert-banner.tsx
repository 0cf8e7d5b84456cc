// The banner nobody can miss: files whose handle went stale and writes that were refused, with the cause and what to do.

import { OctagonAlert } from 'lucide-react';
import type { Alert } from '../store/alerts.ts';
import { unseenStale } from '../store/alerts.ts';
import { putAlertsAway, show } from '../store/panel-store.ts';
import { splitSource } from '../text/format.ts';
import { strings } from '../text/strings.ts';
import { Button } from './button.tsx';
import { usePanel, usePanelState } from './panel-context.ts';

export function AlertBanner() {
  const { store } = usePanel();
  const alerts = usePanelState((state) => state.alerts);
  const staleSeen = usePanelState((state) => state.staleSeen);
  const mounts = usePanelState((state) => state.host?.mounts);
  const concerned = (mounts ?? []).filter(
    (mount) => unseenStale(mount, staleSeen) > 0 || alerts.some((alert) => alert.mountId === mount.id),
  );
  return (
    <div role="alert" className="alerts" aria-label={strings.alerts.label}>
      {concerned.map((mount) => {
        const own = alerts.filter((alert) => alert.mountId === mount.id);
        const newest = own[0];
        return (
          <section key={mount.id} className="alert">
            <OctagonAlert aria-hidden />
            <div className="alert-text">
              {newest === undefined ? (
                <>
                  <h2>{strings.alerts.manyTitle(unseenStale(mount, staleSeen))}</h2>
                  <p>{strings.alerts.manyText}</p>
                </>
              ) : (
                <AlertWords alert={newest} others={own.length - 1} />
              )}
              <p className="quiet">{splitSource(mount.source).name}</p>
            </div>
            <div className="alert-actions">
              <Button onPress={() => show(store, 'activity', mount.id)}>{strings.alerts.show}</Button>
              <Button look="quiet" onPress={() => putAlertsAway(store, mount.id)}>
                {strings.dismiss}
              </Button>
            </div>
          </section>
        );
      })}
    </div>
  );
}

function AlertWords({ alert, others }: { readonly alert: Alert; readonly others: number }) {
  const words = strings.alerts;
  const path = alert.path === '' ? words.someFile : alert.path;
  const isStale = alert.kind === 'stale';
  return (
    <>
      <h2>{isStale ? words.staleTitle(path) : words.lostTitle(path)}</h2>
      <p>
        {isStale ? words.staleText(alert.cause) : words.lostText(alert.cause)}
        {others > 0 && ` (${words.others(others)})`}
      </p>
    </>
  );
}
