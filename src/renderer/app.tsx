// The frame of the panel: sections beside or above the view, alerts over it, and what stands in for it while there is no host.

import { Activity, CircleAlert, FolderTree, Settings, Upload } from 'lucide-react';
import type { LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { AlertBanner } from './parts/alert-banner.tsx';
import { Button } from './parts/button.tsx';
import { Empty, Loading } from './parts/notes.tsx';
import { usePanel, usePanelState } from './parts/panel-context.ts';
import { useIsWide } from './parts/use-is-wide.ts';
import { show } from './store/panel-store.ts';
import type { ViewName } from './store/panel-store.ts';
import { strings } from './text/strings.ts';
import { ActivityView } from './views/activity-view.tsx';
import { FirstRun } from './views/first-run.tsx';
import { MountsView } from './views/mounts-view.tsx';
import { PendingView } from './views/pending-view.tsx';
import { Picker } from './views/picker.tsx';
import { SettingsView } from './views/settings-view.tsx';

export function App() {
  const link = usePanelState((state) => state.link);
  const hasHost = usePanelState((state) => state.host !== null);
  const isFirstRun = usePanelState(
    ({ host }) => host !== null && host.token === 'none' && !host.demo && host.mounts.length === 0,
  );
  if (link === 'refused') return <Refused />;
  if (link === 'mismatch') return <Mismatch />;
  if (!hasHost) return <Starting isLost={link === 'lost'} />;
  return (
    <>
      <LinkBar />
      {isFirstRun ? <FirstRun /> : <Sections />}
      <PickerPlace />
    </>
  );
}

const sections: readonly { readonly name: ViewName; readonly icon: LucideIcon; readonly view: ReactNode }[] =
  [
    { name: 'mounts', icon: FolderTree, view: <MountsView /> },
    { name: 'activity', icon: Activity, view: <ActivityPlace /> },
    { name: 'pending', icon: Upload, view: <PendingPlace /> },
    { name: 'settings', icon: Settings, view: <SettingsView /> },
  ];

/** Another mount chosen elsewhere begins the view anew. */
function ActivityPlace() {
  const mountId = usePanelState((state) => state.chosenMount);
  return <ActivityView key={mountId} />;
}

function PendingPlace() {
  const mountId = usePanelState((state) => state.chosenMount);
  return <PendingView key={mountId} />;
}

function Sections() {
  const { store } = usePanel();
  const view = usePanelState((state) => state.view);
  const isWide = useIsWide();
  return (
    <Tabs
      className="sections"
      orientation={isWide ? 'vertical' : 'horizontal'}
      selectedKey={view}
      onSelectionChange={(key) => {
        const section = sections.find(({ name }) => name === key);
        if (section !== undefined) show(store, section.name);
      }}
    >
      <TabList aria-label={strings.navigation.label} className="section-list">
        {sections.map(({ name, icon: Icon }) => (
          <Tab key={name} id={name} className="section-tab">
            <Icon aria-hidden />
            <span className="section-name">{strings.navigation[name]}</span>
            {name === 'pending' && <PendingBadge />}
          </Tab>
        ))}
      </TabList>
      <div className="section-body">
        <AlertBanner />
        {sections.map(({ name, view: content }) => (
          <TabPanel key={name} id={name} className="section-panel">
            {content}
          </TabPanel>
        ))}
      </div>
    </Tabs>
  );
}

function PendingBadge() {
  const count = usePanelState(
    ({ host }) => host?.mounts.reduce((sum, mount) => sum + mount.pending.files, 0) ?? 0,
  );
  if (count === 0) return null;
  return (
    <span className="badge">
      <span aria-hidden>{count > 999 ? '999+' : count}</span>
      <span className="hidden-text">{strings.navigation.waiting(count)}</span>
    </span>
  );
}

function LinkBar() {
  const link = usePanelState((state) => state.link);
  const isQuitting = usePanelState(({ host }) => host?.quitting === true);
  const text = link === 'lost' ? strings.link.lost : isQuitting ? strings.link.quitting : null;
  return (
    <div className="link-bar" role="status" data-shown={text !== null}>
      {text !== null && (
        <>
          <CircleAlert aria-hidden />
          {text}
        </>
      )}
    </div>
  );
}

/** Mounted only while open, so that every opening begins anew. */
function PickerPlace() {
  const { store } = usePanel();
  const isOpen = usePanelState((state) => state.pickerIsOpen);
  return isOpen ? <Picker onClose={() => store.setState({ pickerIsOpen: false })} /> : null;
}

function Starting({ isLost }: { readonly isLost: boolean }) {
  return (
    <main className="whole-page">
      <Loading label={isLost ? strings.link.lost : strings.link.connecting} />
    </main>
  );
}

function Refused() {
  return (
    <main className="whole-page">
      <Empty
        icon={<CircleAlert />}
        title={strings.link.refused}
        action={<code>{strings.link.refusedCommand}</code>}
      >
        {strings.link.refusedHelp}
      </Empty>
    </main>
  );
}

function Mismatch() {
  const reload = (
    <Button look="primary" onPress={() => location.reload()}>
      {strings.link.reload}
    </Button>
  );
  return (
    <main className="whole-page">
      <Empty icon={<CircleAlert />} title={strings.link.mismatch} action={reload}>
        {strings.link.mismatchHelp}
      </Empty>
    </main>
  );
}
