// The settings of the contract, the account, diagnostics and what this is. Every change is sent at once and shown as the host answered it.

import { noticeKinds } from '../../shared/model.ts';
import type { Settings } from '../../shared/model.ts';
import type { SettingsChange } from '../../shared/contract.ts';
import { OutsideLink } from '../parts/button.tsx';
import { Select, SwitchRow } from '../parts/fields.tsx';
import { Loading, ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel, usePanelState } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { strings } from '../text/strings.ts';
import { AccountSettings } from './settings-account.tsx';
import { CacheRow } from './settings-cache.tsx';
import { Doctor } from './settings-doctor.tsx';
import { AmountRow, FolderRow } from './settings-fields.tsx';
import { SettingsGroup } from './settings-group.tsx';

const words = strings.settings;
const gigabyte = 1e9;
const megabyte = 1e6;
/** The least the contract allows is 64 MiB; a whole gigabyte is the least that makes sense here. */
const leastCacheGigabytes = 1;

export function SettingsView() {
  const { api, isDesktop } = usePanel();
  const loaded = useLoaded('settings', () => api.call('settings:get', null));
  const action = useAction();
  const change = (wanted: SettingsChange) =>
    action.run(async () => {
      await api.call('settings:set', wanted);
      loaded.reload();
    });
  return (
    <section className="view settings">
      <header className="view-head">
        <h1>{words.title}</h1>
      </header>
      {action.problem !== null && (
        <ProblemNote
          problem={{ ...action.problem, message: `${words.saveFailed}: ${action.problem.message}` }}
          onDismiss={action.clear}
        />
      )}
      <AccountSettings />
      {loaded.value === null ? (
        loaded.problem === null ? (
          <Loading />
        ) : (
          <ProblemNote problem={loaded.problem} onRetry={loaded.reload} />
        )
      ) : (
        <>
          <HostSettings settings={loaded.value} onChange={change} />
          {isDesktop && <DesktopSettings settings={loaded.value} onChange={change} />}
        </>
      )}
      <Doctor />
      <About />
    </section>
  );
}

interface HostSettingsProps {
  readonly settings: Settings;
  readonly onChange: (change: SettingsChange) => void;
}

function HostSettings({ settings, onChange }: HostSettingsProps) {
  const levels = (['debug', 'info', 'warn', 'error'] as const).map((id) => ({
    id,
    text: words.logLevels[id],
  }));
  return (
    <>
      <SettingsGroup title={words.mounting}>
        <SwitchRow
          label={words.restore}
          help={words.restoreHelp}
          isOn={settings.restoreMounts}
          onChange={(restoreMounts) => onChange({ restoreMounts })}
        />
        <FolderRow
          label={words.mountFolder}
          help={words.mountFolderHelp}
          placeholder={words.mountFolderDefault}
          value={settings.mountFolder}
          onSave={(mountFolder) => onChange({ mountFolder })}
        />
      </SettingsGroup>
      <SettingsGroup title={words.transfer}>
        <CacheRow />
        <AmountRow
          label={words.cacheLimit}
          help={words.cacheLimitHelp}
          unit={words.gigabytes}
          least={leastCacheGigabytes}
          value={Math.round((settings.cacheLimitBytes / gigabyte) * 10) / 10}
          onSave={(amount) => onChange({ cacheLimitBytes: Math.round(amount * gigabyte) })}
        />
        <AmountRow
          label={words.uploadLimit}
          help={words.rateLimitHelp}
          unit={words.megabytesPerSecond}
          least={0}
          value={settings.uploadLimitBytesPerSecond / megabyte}
          onSave={(amount) => onChange({ uploadLimitBytesPerSecond: Math.round(amount * megabyte) })}
        />
        <AmountRow
          label={words.downloadLimit}
          help={words.rateLimitHelp}
          unit={words.megabytesPerSecond}
          least={0}
          value={settings.downloadLimitBytesPerSecond / megabyte}
          onSave={(amount) => onChange({ downloadLimitBytesPerSecond: Math.round(amount * megabyte) })}
        />
        <AmountRow
          label={words.poll}
          help={words.pollHelp}
          unit={words.seconds}
          least={1}
          value={settings.pollIntervalMs / 1000}
          onSave={(amount) => onChange({ pollIntervalMs: Math.round(amount * 1000) })}
        />
        <AmountRow
          label={words.drain}
          help={words.drainHelp}
          unit={words.seconds}
          least={0}
          value={settings.drainTimeoutMs / 1000}
          onSave={(amount) => onChange({ drainTimeoutMs: Math.round(amount * 1000) })}
        />
        <div className="settings-row">
          <span className="switch-words">
            <span>{words.log}</span>
            <span className="field-help">{words.logHelp}</span>
          </span>
          <Select
            isBare
            label={words.log}
            choices={levels}
            value={settings.logLevel}
            onChange={(id) => {
              const level = levels.find((each) => each.id === id);
              if (level !== undefined) onChange({ logLevel: level.id });
            }}
          />
        </div>
      </SettingsGroup>
    </>
  );
}

/** Only the desktop app can do these. */
function DesktopSettings({ settings, onChange }: HostSettingsProps) {
  return (
    <SettingsGroup title={words.desktop}>
      <SwitchRow
        label={words.launch}
        help={words.launchHelp}
        isOn={settings.launchAtLogin}
        onChange={(launchAtLogin) => onChange({ launchAtLogin })}
      />
      {noticeKinds.map((kind) => (
        <SwitchRow
          key={kind}
          label={words.notices[kind]}
          isOn={settings.notifications.includes(kind)}
          onChange={(isOn) => {
            const others = settings.notifications.filter((each) => each !== kind);
            onChange({ notifications: isOn ? [...others, kind] : others });
          }}
        />
      ))}
    </SettingsGroup>
  );
}

function About() {
  const version = usePanelState(({ host }) => host?.hostVersion ?? '');
  const endpoint = usePanelState(({ host }) => host?.endpoint ?? '');
  return (
    <SettingsGroup title={words.about}>
      <div className="settings-row">
        <span>{words.version(version)}</span>
        <span className="quiet">{words.licence}</span>
      </div>
      <div className="settings-row">
        <span>{words.endpoint}</span>
        <OutsideLink href={endpoint}>{endpoint}</OutsideLink>
      </div>
    </SettingsGroup>
  );
}
