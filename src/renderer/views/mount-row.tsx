// One mount: what it is, what it does right now in one honest sentence, and everything one can do with it.

import {
  Activity,
  CirclePause,
  CirclePlay,
  Copy,
  ExternalLink,
  FolderOpen,
  ListMinus,
  Send,
  Timer,
  Trash,
  Upload,
} from 'lucide-react';
import { useState } from 'react';
import { Switch } from 'react-aria-components';
import type { MountView, PauseLength } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { KindIcon, StateGlyph } from '../parts/glyph.tsx';
import { MoreMenu } from '../parts/menu.tsx';
import type { MenuEntry } from '../parts/menu.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, useNow, usePanel, usePanelState } from '../parts/panel-context.ts';
import type { Action } from '../parts/panel-context.ts';
import { unseenStale } from '../store/alerts.ts';
import { show } from '../store/panel-store.ts';
import { splitSource } from '../text/format.ts';
import { hubPage } from '../text/hub-address.ts';
import { describeMount } from '../text/mount-sentence.ts';
import { strings } from '../text/strings.ts';
import { MountTotals } from './mount-totals.tsx';
import type { HowToUnmount, UnmountStep } from './unmount-questions.tsx';

interface MountRowProps {
  readonly mount: MountView;
  readonly onAsk: (step: UnmountStep) => void;
  readonly onUnmount: (mountId: string, how: HowToUnmount) => void;
}

export function MountRow(props: MountRowProps) {
  const { mount } = props;
  const { api, meter } = usePanel();
  const staleSeen = usePanelState((state) => state.staleSeen);
  const now = useNow(1000);
  const action = useAction();
  const { kind, owner, name, subfolder } = splitSource(mount.source);
  const rates = meter.rates(mount.id, now);
  const sentence = describeMount(mount, { rates, now, unseenStale: unseenStale(mount, staleSeen) });
  const toggle = useToggle(props, action);
  const canOpen = mount.attached && mount.mountPoint !== null;
  return (
    <li className="mount" data-state={mount.state} aria-label={`${name}, ${strings.kinds[kindOf(kind)]}`}>
      <span className="kind-tile">
        <KindIcon kind={kind} />
      </span>
      <div className="mount-text">
        <h2 className="mount-name">
          <span className="cut" title={mount.source}>
            {subfolder === '' ? name : `${name}/${subfolder}`}
          </span>
          <span className="mount-owner cut">{owner}</span>
          {mount.readOnly && <span className="tag">{strings.mount.readOnly}</span>}
          {mount.revision !== null && (
            <span className="tag cut">{strings.mount.revision(mount.revision)}</span>
          )}
        </h2>
        <p className="mount-state" data-glyph={sentence.glyph}>
          <StateGlyph glyph={sentence.glyph} />
          <span>{sentence.text}</span>
        </p>
        <MountPlace mount={mount} />
      </div>
      <div className="mount-actions">
        {canOpen && (
          <Button
            aria-label={strings.mounts.openNamed(name)}
            onPress={() => action.run(() => api.call('mounts:open', { mountId: mount.id }))}
          >
            <FolderOpen aria-hidden />
            {strings.mounts.open}
          </Button>
        )}
        {(mount.state === 'draining' || mount.state === 'connecting' || mount.state === 'attaching') && (
          <Button onPress={() => action.run(() => api.call('mounts:cancel', { mountId: mount.id }))}>
            {strings.mounts.cancel}
          </Button>
        )}
        <RowMenu {...props} action={action} />
        <Switch
          className="switch"
          aria-label={strings.mounts.toggle(name)}
          isSelected={toggle.isOn}
          isDisabled={toggle.isFixed}
          onChange={toggle.flip}
        >
          <span className="switch-track" aria-hidden>
            <span className="switch-knob" />
          </span>
        </Switch>
      </div>
      <RowProblem mount={mount} action={action} detail={sentence.detail} />
      {mount.attached && <MountTotals counters={mount.counters} />}
    </li>
  );
}

function kindOf(kind: string): keyof typeof strings.kinds {
  return kind === 'model' || kind === 'dataset' || kind === 'space' ? kind : 'bucket';
}

function MountPlace({ mount }: { readonly mount: MountView }) {
  if (mount.mountPoint !== null) {
    return (
      <p className="mount-path cut" title={mount.mountPoint}>
        {mount.mountPoint}
      </p>
    );
  }
  if (mount.nfs === null) return null;
  return <p className="mount-path cut">{strings.mount.served(mount.nfs.host, mount.nfs.port)}</p>;
}

interface Toggle {
  readonly isOn: boolean;
  /** Nothing may be asked for while it is taken away. */
  readonly isFixed: boolean;
  readonly flip: (wanted: boolean) => void;
}

/** The switch shows the state that was sent; flipping it only asks for another. */
function useToggle({ mount, onAsk, onUnmount }: MountRowProps, action: Action): Toggle {
  const { api } = usePanel();
  const isOn = mount.state !== 'idle' && mount.state !== 'failed' && mount.state !== 'detaching';
  const flip = (wanted: boolean) => {
    const { id, source, mountPoint, readOnly, revision, serverOnly } = mount;
    if (wanted) {
      action.run(() => api.call('mounts:mount', { source, mountPoint, readOnly, revision, serverOnly }));
    } else if (mount.state === 'connecting' || mount.state === 'attaching') {
      action.run(() => api.call('mounts:cancel', { mountId: id }));
    } else if (mount.pending.files > 0) {
      onAsk({ type: 'unsent', mountId: id });
    } else {
      onUnmount(id, {});
    }
  };
  return {
    isOn,
    isFixed: action.isRunning || mount.state === 'detaching' || mount.state === 'draining',
    flip,
  };
}

interface RowProblemProps {
  readonly mount: MountView;
  readonly action: Action;
  readonly detail: string | null;
}

function RowProblem({ mount, action, detail }: RowProblemProps) {
  const { api } = usePanel();
  const { lastError } = mount;
  if (action.problem !== null && action.problem.message !== lastError?.message) {
    return <ProblemNote problem={action.problem} onDismiss={action.clear} />;
  }
  if (lastError === null || detail === null) return null;
  const { id, source, mountPoint, readOnly, revision, serverOnly, endpoint } = mount;
  const isFailed = mount.state === 'failed';
  const page = lastError.code === 'gated' ? hubPage(endpoint, source, null) : null;
  return (
    <ProblemNote
      problem={lastError}
      action={page !== null && <HubLink page={page} />}
      onRetry={
        isFailed
          ? () =>
              action.run(() =>
                api.call('mounts:mount', { source, mountPoint, readOnly, revision, serverOnly }),
              )
          : undefined
      }
      onDismiss={() => action.run(() => api.call('mounts:dismiss', { mountId: id }))}
    />
  );
}

function HubLink({ page }: { readonly page: string }) {
  return (
    <a className="outside-link" href={page} target="_blank" rel="noreferrer noopener">
      {strings.mounts.hubPage}
    </a>
  );
}

interface RowMenuProps extends MountRowProps {
  readonly action: Action;
}

function RowMenu({ mount, action, onAsk }: RowMenuProps) {
  const { api, store } = usePanel();
  const [copied, setCopied] = useState(false);
  const target = mount.id;
  const hasUnsent = mount.pending.files > 0;
  const page = hubPage(mount.endpoint, mount.source, mount.revision);
  const isMounted = mount.state === 'mounted';
  const canPause = isMounted && !mount.readOnly && !mount.uploadsPaused;
  const pause = (until: PauseLength | null) => () =>
    action.run(() => api.call('mounts:pause', { target, until }));
  const entries: (MenuEntry | false)[] = [
    mount.mountPoint !== null && {
      id: 'copy',
      text: strings.mounts.copyPath,
      icon: <Copy aria-hidden />,
      onAction: () =>
        action.run(async () => {
          await navigator.clipboard.writeText(mount.mountPoint ?? '');
          setCopied(true);
        }),
    },
    page !== null && {
      id: 'hub',
      text: strings.mounts.hubPage,
      icon: <ExternalLink aria-hidden />,
      onAction: () => void window.open(page, '_blank', 'noopener,noreferrer'),
    },
    {
      id: 'activity',
      text: strings.mounts.activity,
      icon: <Activity aria-hidden />,
      onAction: () => show(store, 'activity', target),
    },
    hasUnsent && {
      id: 'pending',
      text: strings.mounts.pending,
      icon: <Upload aria-hidden />,
      onAction: () => show(store, 'pending', target),
    },
    isMounted &&
      hasUnsent && {
        id: 'flush',
        text: strings.mounts.sendNow,
        icon: <Send aria-hidden />,
        onAction: () => action.run(() => api.call('mounts:retry', { mountId: target, itemId: null })),
      },
    canPause && {
      id: 'pause',
      text: strings.mounts.pause,
      icon: <CirclePause aria-hidden />,
      onAction: pause(null),
    },
    canPause && {
      id: 'pause-hour',
      text: strings.mounts.pauseHour,
      icon: <Timer aria-hidden />,
      onAction: pause('hour'),
    },
    canPause && {
      id: 'pause-tomorrow',
      text: strings.mounts.pauseTomorrow,
      icon: <Timer aria-hidden />,
      onAction: pause('tomorrow'),
    },
    isMounted &&
      mount.uploadsPaused && {
        id: 'resume',
        text: strings.mounts.resume,
        icon: <CirclePlay aria-hidden />,
        onAction: () => action.run(() => api.call('mounts:resume', { target })),
      },
    hasUnsent &&
      isMounted && {
        id: 'discard',
        text: strings.mounts.discard,
        icon: <Trash aria-hidden />,
        isDangerous: true,
        onAction: () => onAsk({ type: 'discard', mountId: target }),
      },
    (mount.state === 'idle' || mount.state === 'failed') &&
      !hasUnsent && {
        id: 'forget',
        text: strings.mounts.forget,
        icon: <ListMinus aria-hidden />,
        onAction: () => action.run(() => api.call('mounts:forget', { mountId: target })),
      },
  ];
  return (
    <>
      <MoreMenu
        label={strings.mounts.more(splitSource(mount.source).name)}
        entries={entries.filter((entry) => entry !== false)}
      />
      <span role="status" className="hidden-text">
        {copied && strings.mounts.copied}
      </span>
    </>
  );
}
