// The rates of the last minute and what was saved, above the list.

import { Sparkline } from '../parts/sparkline.tsx';
import { useNow, usePanel, usePanelState } from '../parts/panel-context.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatRate } from '../text/format.ts';
import { strings } from '../text/strings.ts';

const words = strings.activity;

export function ActivityRates({ mountId }: { readonly mountId: string | null }) {
  const { meter } = usePanel();
  const now = useNow(1000);
  const mounts = usePanelState((state) => state.host?.mounts);
  const history = meter.history(mountId, now);
  const counted = (mounts ?? []).filter((mount) => mountId === null || mount.id === mountId);
  const total = { read: 0, write: 0, saved: 0 };
  for (const mount of counted) {
    const rates = meter.rates(mount.id, now);
    total.read += rates.read;
    total.write += rates.write;
    total.saved += mount.counters.savedBytes;
  }
  const curves = [
    { look: 'read', name: words.readRate, rate: formatRate(total.read), values: history.read },
    { look: 'write', name: words.writeRate, rate: formatRate(total.write), values: history.write },
  ] as const;
  return (
    <div className="rates">
      {curves.map(({ look, name, rate, values }) => (
        <div key={look} className="rate">
          <span className="rate-words">
            <span className="quiet">{name}</span>
            <span className="rate-value">{rate}</span>
          </span>
          <Sparkline look={look} values={values} label={words.sparkline(name, rate)} />
        </div>
      ))}
      {total.saved > 0 && <p className="quiet rate-saved">{words.saved(formatBytes(total.saved))}</p>}
    </div>
  );
}
