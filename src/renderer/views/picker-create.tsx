// Makes a new bucket for the account or one of its organisations.

import { ArrowLeft } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { Button } from '../parts/button.tsx';
import { Select, SwitchRow, TextField } from '../parts/fields.tsx';
import { Loading, ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { strings } from '../text/strings.ts';

const words = strings.picker;

interface CreateBucketProps {
  readonly onBack: () => void;
  readonly onCreated: (source: string) => void;
}

export function CreateBucket({ onBack, onCreated }: CreateBucketProps) {
  const { api } = usePanel();
  const account = useLoaded('account', () => api.call('account:get', null));
  const action = useAction();
  const [chosenOwner, setOwner] = useState<string | null>(null);
  const [name, setName] = useState('');
  const [isPrivate, setPrivate] = useState(true);
  const user = account.value?.user ?? null;
  const problem = account.problem ?? account.value?.problem ?? null;
  if (problem !== null) {
    return (
      <div className="picker-note">
        <ProblemNote problem={problem} onRetry={account.reload} />
      </div>
    );
  }
  if (user === null) return <Loading />;
  const owner = chosenOwner ?? user.name;
  const owners = [user, ...user.organisations].map(({ name: id }) => ({ id, text: id }));
  const isReady = name.trim() !== '' && !action.isRunning;
  return (
    <Form
      className="picker-details"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isReady) return;
        action.run(async () => {
          const bucket = await api.call('browse:createBucket', {
            owner,
            name: name.trim(),
            private: isPrivate,
          });
          onCreated(bucket.source);
        });
      }}
    >
      <h3 className="picker-title">{words.createTitle}</h3>
      <div className="picker-scroll">
        <Select label={words.createOwner} choices={owners} value={owner} onChange={setOwner} />
        <TextField autoFocus label={words.createName} value={name} onChange={setName} />
        <SwitchRow label={words.createPrivate} isOn={isPrivate} onChange={setPrivate} />
        {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
      </div>
      <footer className="picker-foot">
        <Button onPress={onBack}>
          <ArrowLeft aria-hidden />
          {strings.back}
        </Button>
        <Button type="submit" look="primary" isDisabled={!isReady}>
          {words.create}
        </Button>
      </footer>
    </Form>
  );
}
