// The options of one mount: revision, folder, where, read-only. Everything has a default, so that “Mount” can be pressed at once.

import { ArrowLeft } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import type { SourceDetails } from '../../shared/model.ts';
import { Button, OutsideLink } from '../parts/button.tsx';
import { Select, SwitchRow, TextField } from '../parts/fields.tsx';
import { KindIcon } from '../parts/glyph.tsx';
import { Loading, ProblemNote } from '../parts/notes.tsx';
import { useAction, useNow, usePanel, usePanelState } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { show } from '../store/panel-store.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatAgo } from '../text/format.ts';
import { hubPage } from '../text/hub-address.ts';
import { strings } from '../text/strings.ts';
import { FolderChoice } from './folder-choice.tsx';
import type { Picked } from './picker.tsx';

const words = strings.picker;
const otherRevision = '\n';

interface PickerDetailsProps {
  readonly picked: Picked;
  readonly onBack: () => void;
  readonly onMounted: () => void;
}

export function PickerDetails(props: PickerDetailsProps) {
  const { picked, onBack } = props;
  const { api } = usePanel();
  const endpoint = usePanelState(({ host }) => host?.endpoint ?? '');
  const details = useLoaded(picked.source, () => api.call('browse:source', { source: picked.source }));
  const page = hubPage(endpoint, picked.source, null);
  if (details.value !== null) return <Options {...props} details={details.value} page={page} />;
  return (
    <div className="picker-details">
      <div className="picker-scroll">
        {details.problem === null ? (
          <Loading />
        ) : (
          <ProblemNote
            problem={details.problem}
            onRetry={details.reload}
            action={page !== null && <OutsideLink href={page}>{words.asPage}</OutsideLink>}
          />
        )}
      </div>
      <footer className="picker-foot">
        <Button onPress={onBack}>
          <ArrowLeft aria-hidden />
          {strings.back}
        </Button>
      </footer>
    </div>
  );
}

interface OptionsProps extends PickerDetailsProps {
  readonly details: SourceDetails;
  readonly page: string | null;
}

function Options({ picked, details, page, onBack, onMounted }: OptionsProps) {
  const { api, store } = usePanel();
  const action = useAction();
  const { item } = details;
  const isRepo = item.kind !== 'bucket';
  const [revision, setRevision] = useState(picked.revision);
  const [subfolder, setSubfolder] = useState(picked.subfolder);
  const [mountPoint, setMountPoint] = useState('');
  const [readOnly, setReadOnly] = useState(isRepo);
  const [serverOnly, setServerOnly] = useState(false);
  const mount = () => {
    const source = subfolder === '' ? item.source : `${item.source}/${subfolder}`;
    const place = mountPoint.trim() === '' || serverOnly ? null : mountPoint.trim();
    const wanted = revision?.trim() ?? '';
    action.run(async () => {
      await api.call('mounts:mount', {
        source,
        mountPoint: place,
        readOnly,
        revision: wanted === '' ? null : wanted,
        serverOnly,
      });
      show(store, 'mounts');
      onMounted();
    });
  };
  return (
    <Form
      className="picker-details"
      onSubmit={(event) => {
        event.preventDefault();
        if (!action.isRunning) mount();
      }}
    >
      <SourceHead details={details} page={page} />
      <div className="picker-scroll">
        {isRepo && <RevisionChoice details={details} revision={revision} onRevision={setRevision} />}
        <FolderChoice source={item.source} revision={revision} folder={subfolder} onFolder={setSubfolder} />
        <TextField
          label={words.mountPoint}
          value={mountPoint}
          onChange={setMountPoint}
          placeholder={details.mountPoint}
          help={words.mountPointHelp}
          isDisabled={serverOnly}
        />
        <div className="card switch-list">
          <SwitchRow
            label={words.readOnly}
            help={isRepo ? words.readOnlyRepo : words.readOnlyHelp}
            isOn={readOnly}
            isDisabled={isRepo}
            onChange={setReadOnly}
          />
          <SwitchRow
            label={words.serverOnly}
            help={words.serverOnlyHelp}
            isOn={serverOnly}
            onChange={setServerOnly}
          />
        </div>
      </div>
      {action.problem !== null && (
        <div className="picker-note">
          <ProblemNote problem={action.problem} onDismiss={action.clear} />
        </div>
      )}
      <footer className="picker-foot">
        <Button onPress={onBack}>
          <ArrowLeft aria-hidden />
          {strings.back}
        </Button>
        <Button type="submit" look="primary" autoFocus isDisabled={action.isRunning}>
          {action.isRunning ? words.mounting : words.mount}
        </Button>
      </footer>
    </Form>
  );
}

function SourceHead({ details, page }: { readonly details: SourceDetails; readonly page: string | null }) {
  const { item } = details;
  const now = useNow(60_000);
  const facts = [
    strings.kinds[item.kind],
    item.private ? words.private : null,
    item.sizeBytes === null ? null : formatBytes(item.sizeBytes),
    item.updatedAt === null ? null : words.updated(formatAgo(now - item.updatedAt)),
  ].filter((fact) => fact !== null);
  return (
    <div className="picker-title">
      <span className="kind-tile">
        <KindIcon kind={item.kind} />
      </span>
      <div className="picker-item-text">
        <h3 className="cut">
          {item.owner}/{item.name}
        </h3>
        <p className="quiet">{facts.join(' · ')}</p>
        {item.gated !== 'no' && <p>{words.gatedHelp}</p>}
      </div>
      {page !== null && <OutsideLink href={page}>{words.asPage}</OutsideLink>}
    </div>
  );
}

interface RevisionChoiceProps {
  readonly details: SourceDetails;
  readonly revision: string | null;
  readonly onRevision: (revision: string | null) => void;
}

function RevisionChoice({ details, revision, onRevision }: RevisionChoiceProps) {
  const { branches, tags } = details;
  const listed = [...new Set(['main', ...branches, ...tags])];
  const [isOther, setOther] = useState(revision !== null && !listed.includes(revision));
  const choices = listed.map((id) => ({ id, text: id }));
  return (
    <>
      <Select
        label={words.revision}
        choices={[...choices, { id: otherRevision, text: words.otherRevision }]}
        value={isOther ? otherRevision : (revision ?? words.revisionMain)}
        onChange={(id) => {
          setOther(id === otherRevision);
          onRevision(id === otherRevision || id === 'main' ? null : id);
        }}
      />
      {isOther && (
        <TextField
          label={words.revisionText}
          value={revision ?? ''}
          onChange={(text) => onRevision(text === '' ? null : text)}
        />
      )}
    </>
  );
}
