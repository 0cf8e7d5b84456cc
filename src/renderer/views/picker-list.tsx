// The list of buckets and repos: kinds, mine or everywhere, search as one types, and pasted addresses.

import { Link2, Lock, PackageOpen, Plus, ShieldQuestion } from 'lucide-react';
import { useState } from 'react';
import { Collection, ListBox, ListBoxItem } from 'react-aria-components';
import type { BrowseItem, BrowsePage } from '../../shared/model.ts';
import { sourceKinds } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { SearchField, Segments } from '../parts/fields.tsx';
import { KindIcon } from '../parts/glyph.tsx';
import { Empty, Loading, ProblemNote } from '../parts/notes.tsx';
import { useAction, useNow, usePanel, usePanelState } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatAgo } from '../text/format.ts';
import { parsePasted } from '../text/hub-address.ts';
import type { PastedSource } from '../text/hub-address.ts';
import { strings } from '../text/strings.ts';
import type { Picked } from './picker.tsx';
import { browseArgument } from './picker-query.ts';
import type { PickerQuery } from './picker-query.ts';

const words = strings.picker;
/** A pause in typing this long is a wish to see results. */
const typingPauseMs = 250;

interface PickerListProps {
  readonly query: PickerQuery;
  readonly onQuery: (query: PickerQuery) => void;
  readonly onPick: (picked: Picked) => void;
  readonly onCreate: () => void;
}

export function PickerList({ query, onQuery, onPick, onCreate }: PickerListProps) {
  const endpoint = usePanelState(({ host }) => host?.endpoint ?? '');
  const pasted = parsePasted(query.search, endpoint);
  return (
    <>
      <div className="picker-head">
        <SearchField
          autoFocus
          label={words.search}
          value={query.search}
          onChange={(search) => onQuery({ ...query, search })}
        />
        <div className="picker-filters">
          <Segments
            label={words.kinds}
            value={query.kind}
            onChange={(kind) => onQuery({ ...query, kind })}
            choices={sourceKinds.map((kind) => ({ id: kind, text: strings.kindsMany[kind] }))}
          />
          <Segments
            label={words.scope}
            value={query.scope}
            onChange={(scope) => onQuery({ ...query, scope })}
            choices={[
              { id: 'mine', text: words.mine },
              { id: 'everywhere', text: words.everywhere },
            ]}
          />
        </div>
      </div>
      {pasted === null ? (
        <Results query={query} onPick={onPick} />
      ) : (
        <Pasted pasted={pasted} onPick={onPick} />
      )}
      {query.kind === 'bucket' && (
        <footer className="picker-foot">
          <Button onPress={onCreate}>
            <Plus aria-hidden />
            {words.createBucket}
          </Button>
        </footer>
      )}
    </>
  );
}

function Pasted({
  pasted,
  onPick,
}: {
  readonly pasted: PastedSource;
  readonly onPick: (picked: Picked) => void;
}) {
  const { source, revision, subfolder } = pasted;
  const text = [source, ...(subfolder === '' ? [] : [subfolder])].join('/');
  return (
    <div className="picker-results">
      <ListBox
        className="picker-items"
        aria-label={words.results}
        onAction={() => onPick({ source, revision, subfolder })}
      >
        <ListBoxItem id="pasted" textValue={text} className="picker-item">
          <Link2 aria-hidden />
          <span className="picker-item-text">
            <span className="picker-item-name">{words.pasted(text)}</span>
            <span className="quiet">
              {words.pastedHelp}
              {revision !== null && ` · ${strings.mount.revision(revision)}`}
            </span>
          </span>
        </ListBoxItem>
      </ListBox>
    </div>
  );
}

function Results({
  query,
  onPick,
}: {
  readonly query: PickerQuery;
  readonly onPick: (picked: Picked) => void;
}) {
  const { api } = usePanel();
  const argument = browseArgument(query);
  const key = argument === null ? null : JSON.stringify(argument);
  const first = useLoaded<BrowsePage | null>(
    key,
    async () => (argument === null ? null : await api.call('browse:list', argument)),
    query.search === '' ? 0 : typingPauseMs,
  );
  const [more, setMore] = useState<{ readonly key: string; readonly page: BrowsePage } | null>(null);
  const action = useAction();
  const added = more !== null && more.key === key ? more.page : null;
  const items = [...(first.value?.items ?? []), ...(added?.items ?? [])];
  const cursor = added === null ? (first.value?.cursor ?? null) : added.cursor;
  const showMore = () => {
    if (argument === null || key === null) return;
    action.run(async () => {
      const page = await api.call('browse:list', { ...argument, cursor });
      setMore({ key, page: { ...page, items: [...(added?.items ?? []), ...page.items] } });
    });
  };
  if (first.problem !== null) {
    return (
      <div className="picker-results picker-note">
        <ProblemNote problem={first.problem} onRetry={first.reload} />
      </div>
    );
  }
  if (argument !== null && first.value === null) return <Loading label={words.searching} />;
  if (argument === null || items.length === 0) {
    return first.isLoading ? <Loading label={words.searching} /> : <NothingFound query={query} />;
  }
  return (
    <div className="picker-results" aria-busy={first.isLoading}>
      <ListBox
        className="picker-items"
        aria-label={words.results}
        onAction={(source) => onPick({ source: String(source), revision: null, subfolder: '' })}
      >
        <Collection items={items.map((item) => ({ id: item.source, item }))}>
          {({ item }) => <ResultItem item={item} />}
        </Collection>
      </ListBox>
      {first.value?.problems.map(({ owner, problem }) => (
        <div key={owner} className="picker-note">
          <ProblemNote problem={{ ...problem, message: `${words.partial(owner)}: ${problem.message}` }} />
        </div>
      ))}
      {cursor !== null && (
        <div className="picker-note">
          <Button isDisabled={action.isRunning} onPress={showMore}>
            {action.isRunning ? words.searching : words.more}
          </Button>
        </div>
      )}
      {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
    </div>
  );
}

function ResultItem({ item }: { readonly item: BrowseItem }) {
  const known = usePanelState(
    ({ host }) => host?.mounts.some((mount) => mount.source === item.source) === true,
  );
  const now = useNow(60_000);
  const facts = [
    item.sizeBytes === null ? null : formatBytes(item.sizeBytes),
    item.files === null ? null : strings.count.files(item.files),
    item.updatedAt === null ? null : words.updated(formatAgo(now - item.updatedAt)),
    known ? words.already : null,
  ].filter((fact) => fact !== null);
  return (
    <ListBoxItem id={item.source} textValue={`${item.owner}/${item.name}`} className="picker-item">
      <KindIcon kind={item.kind} />
      <span className="picker-item-text">
        <span className="picker-item-name cut">
          <span className="quiet">{item.owner}/</span>
          {item.name}
        </span>
        <span className="quiet">{facts.join(' · ')}</span>
      </span>
      {item.gated !== 'no' && (
        <span className="tag tag-icon">
          <ShieldQuestion aria-hidden />
          {words.gated}
        </span>
      )}
      {item.private && (
        <span className="tag tag-icon">
          <Lock aria-hidden />
          {words.private}
        </span>
      )}
    </ListBoxItem>
  );
}

function NothingFound({ query }: { readonly query: PickerQuery }) {
  const isSearch = query.search.trim() !== '';
  const kind = strings.kindsMany[query.kind];
  const help = query.kind === 'bucket' ? words.empty.bucketHelp : words.empty.help;
  return (
    <Empty
      icon={<PackageOpen />}
      title={isSearch ? words.empty.search(query.search.trim()) : words.empty.mine(kind)}
    >
      {help}
    </Empty>
  );
}
