// Chooses what to mount and how: first a list (or a pasted address), then the options of one thing.

import { useState } from 'react';
import { TaskDialog } from '../parts/dialog.tsx';
import { strings } from '../text/strings.ts';
import { CreateBucket } from './picker-create.tsx';
import { PickerDetails } from './picker-details.tsx';
import { PickerList } from './picker-list.tsx';
import { firstQuery } from './picker-query.ts';
import type { PickerQuery } from './picker-query.ts';

/** What was chosen, with what a pasted address said beyond the source. */
export interface Picked {
  readonly source: string;
  readonly revision: string | null;
  readonly subfolder: string;
}

type Step =
  | { readonly type: 'list' }
  | { readonly type: 'create' }
  | { readonly type: 'details'; readonly picked: Picked };

export function Picker({ onClose }: { readonly onClose: () => void }) {
  const [step, setStep] = useState<Step>({ type: 'list' });
  const [query, setQuery] = useState<PickerQuery>(firstQuery);
  const toList = () => setStep({ type: 'list' });
  const pick = (picked: Picked) => setStep({ type: 'details', picked });
  return (
    <TaskDialog title={strings.picker.title} onClose={onClose}>
      {step.type === 'list' && (
        <PickerList
          query={query}
          onQuery={setQuery}
          onPick={pick}
          onCreate={() => setStep({ type: 'create' })}
        />
      )}
      {step.type === 'create' && (
        <CreateBucket
          onBack={toList}
          onCreated={(source) => pick({ source, revision: null, subfolder: '' })}
        />
      )}
      {step.type === 'details' && <PickerDetails picked={step.picked} onBack={toList} onMounted={onClose} />}
    </TaskDialog>
  );
}
