// Chooses a folder inside a source by walking down, or all of it.

import { CornerLeftUp, Folder } from 'lucide-react';
import { useState } from 'react';
import { ListBox, ListBoxItem } from 'react-aria-components';
import { Button } from '../parts/button.tsx';
import { Loading, ProblemNote } from '../parts/notes.tsx';
import { usePanel } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { strings } from '../text/strings.ts';

const words = strings.picker;

interface FolderChoiceProps {
  readonly source: string;
  readonly revision: string | null;
  /** '' for all of it. */
  readonly folder: string;
  readonly onFolder: (folder: string) => void;
}

export function FolderChoice({ source, revision, folder, onFolder }: FolderChoiceProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div className="field" role="group" aria-label={words.subfolder}>
      <span className="field-label">{words.subfolder}</span>
      <div className="folder-line">
        <span className="cut">{folder === '' ? words.subfolderAll : folder}</span>
        <Button onPress={() => setOpen(!isOpen)} aria-expanded={isOpen}>
          {words.subfolderChoose}
        </Button>
      </div>
      {isOpen && <FolderWalk source={source} revision={revision} folder={folder} onFolder={onFolder} />}
    </div>
  );
}

function FolderWalk({ source, revision, folder, onFolder }: FolderChoiceProps) {
  const { api } = usePanel();
  const path = folder === '' ? null : folder;
  const list = useLoaded(JSON.stringify([source, revision, path]), () =>
    api.call('browse:folders', { source, revision, path }),
  );
  const up = () => onFolder(folder.split('/').slice(0, -1).join('/'));
  return (
    <div className="card folder-walk">
      {folder !== '' && (
        <Button look="quiet" onPress={up}>
          <CornerLeftUp aria-hidden />
          {words.subfolderUp}
        </Button>
      )}
      {list.problem !== null && <ProblemNote problem={list.problem} onRetry={list.reload} />}
      {list.isLoading ? (
        <Loading />
      ) : (
        <ListBox
          className="options"
          aria-label={words.subfolder}
          items={(list.value?.folders ?? []).map((name) => ({ id: name }))}
          renderEmptyState={() => <p className="quiet folder-none">{words.subfolderNone}</p>}
          onAction={(name) => onFolder(folder === '' ? String(name) : `${folder}/${name}`)}
        >
          {({ id }) => (
            <ListBoxItem id={id} textValue={id} className="option">
              <Folder aria-hidden />
              <span className="cut">{id}</span>
            </ListBoxItem>
          )}
        </ListBox>
      )}
      {list.value?.more === true && <p className="field-help">{words.subfolderMore}</p>}
    </div>
  );
}
