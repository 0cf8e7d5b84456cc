// Live activity: what programs do through the mounts, as it happens. New rows come at the top; the list stands still while somebody reads
// further down, has paused it, or has chosen a row.

import { Activity as ActivityIcon, ArrowUp, Pause, Play } from 'lucide-react';
import { useMemo, useState, useSyncExternalStore } from 'react';
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import { Button } from '../parts/button.tsx';
import { SearchField, Select } from '../parts/fields.tsx';
import { Empty } from '../parts/notes.tsx';
import { usePanel, usePanelState } from '../parts/panel-context.ts';
import { VirtualList } from '../parts/virtual-list.tsx';
import { filterRows, kindGroups, noFilter } from '../store/activity-feed.ts';
import type { FeedFilter, FeedRow, FeedView, KindGroup } from '../store/activity-feed.ts';
import { splitSource } from '../text/format.ts';
import { strings } from '../text/strings.ts';
import { ActivityDetails } from './activity-details.tsx';
import { ActivityRates } from './activity-rates.tsx';
import { ActivityRow } from './activity-row.tsx';

const words = strings.activity;
const groupNames = Object.keys(kindGroups) as KindGroup[];

export function ActivityView() {
  const { feed } = usePanel();
  const chosenMount = usePanelState((state) => state.chosenMount);
  const mounts = usePanelState((state) => state.host?.mounts);
  const live = useSyncExternalStore(feed.subscribe, feed.view);
  const [filter, setFilter] = useState<FeedFilter>({ ...noFilter, mountId: chosenMount });
  const [chosen, setChosen] = useState<FeedRow | null>(null);
  const [isPaused, setPaused] = useState(false);
  const [frozen, setFrozen] = useState<FeedView | null>(null);
  const view = frozen ?? live;
  const rows = useMemo(() => filterRows(view.rows, filter), [view, filter]);
  const isFiltered = rows !== view.rows;

  const freeze = () => setFrozen((before) => before ?? feed.view());
  const follow = () => {
    setFrozen(null);
    setPaused(false);
    setChosen(null);
  };
  const choose = (row: FeedRow | null) => {
    setChosen(row);
    if (row !== null) freeze();
    else if (!isPaused) setFrozen(null);
  };
  const manyMounts = (mounts?.length ?? 0) > 1;
  return (
    <section className="view view-wide">
      <header className="view-head">
        <h1>{words.title}</h1>
        <span className="spring" />
        <Button
          onPress={() => {
            if (isPaused) follow();
            else {
              setPaused(true);
              freeze();
            }
          }}
        >
          {isPaused ? <Play aria-hidden /> : <Pause aria-hidden />}
          {isPaused ? words.resume : words.pause}
        </Button>
        <Button
          onPress={() => {
            feed.clear();
            follow();
          }}
        >
          {words.clear}
        </Button>
      </header>
      <ActivityRates mountId={filter.mountId} />
      <div className="activity-filters">
        <ToggleButtonGroup
          className="chips"
          aria-label={words.kinds}
          selectionMode="multiple"
          selectedKeys={filter.groups}
          onSelectionChange={(keys) =>
            setFilter({ ...filter, groups: new Set(groupNames.filter((name) => keys.has(name))) })
          }
        >
          {groupNames.map((name) => (
            <ToggleButton key={name} id={name} className="chip">
              {words.groups[name]}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        <span className="spring" />
        {(manyMounts || filter.mountId !== null) && (
          <Select
            isBare
            label={words.mount}
            value={filter.mountId ?? allMounts}
            onChange={(id) => setFilter({ ...filter, mountId: id === allMounts ? null : id })}
            choices={[
              { id: allMounts, text: words.allMounts },
              ...(mounts ?? []).map(({ id, source }) => ({ id, text: splitSource(source).name })),
            ]}
          />
        )}
        <SearchField
          label={words.path}
          value={filter.path}
          onChange={(path) => setFilter({ ...filter, path })}
        />
      </div>
      <div className="card activity">
        <ListState
          view={view}
          newer={frozen === null ? 0 : live.received - frozen.received}
          onFollow={follow}
        />
        {rows.length === 0 ? (
          <NothingListed isFiltered={isFiltered} onClear={() => setFilter(noFilter)} />
        ) : (
          <VirtualList
            label={words.list}
            rows={rows}
            chosenKey={chosen?.key ?? null}
            onChoose={choose}
            onAtTop={(isAtTop) => {
              if (!isAtTop) freeze();
              else if (!isPaused && chosen === null) setFrozen(null);
            }}
            renderRow={(row) => <ActivityRow row={row} namesMount={manyMounts && filter.mountId === null} />}
          />
        )}
        {chosen !== null && <ActivityDetails row={chosen} onClose={() => choose(null)} />}
      </div>
    </section>
  );
}

const allMounts = '\n';

interface ListStateProps {
  readonly view: FeedView;
  readonly newer: number;
  readonly onFollow: () => void;
}

/** What is not in the list, and why: newer events of a list that stands still, events that came too fast. */
function ListState({ view, newer, onFollow }: ListStateProps) {
  if (newer === 0 && view.dropped === 0) return null;
  return (
    <div className="activity-state">
      {view.dropped > 0 && <span className="quiet">{words.dropped(view.dropped)}</span>}
      <span className="spring" />
      {newer > 0 && (
        <>
          <span>{words.paused(newer)}</span>
          <Button onPress={onFollow}>
            <ArrowUp aria-hidden />
            {words.toNewest}
          </Button>
        </>
      )}
    </div>
  );
}

function NothingListed({
  isFiltered,
  onClear,
}: {
  readonly isFiltered: boolean;
  readonly onClear: () => void;
}) {
  if (!isFiltered) {
    return (
      <Empty icon={<ActivityIcon />} title={words.empty}>
        {words.emptyHelp}
      </Empty>
    );
  }
  const clear = <Button onPress={onClear}>{words.clearFilter}</Button>;
  return <Empty icon={<ActivityIcon />} title={words.emptyFilter} action={clear} />;
}
