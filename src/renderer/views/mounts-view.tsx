// The list of mounts and the questions around unmounting.

import { FolderTree, Plus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/notes.tsx';
import { problemOf, usePanel, usePanelState } from '../parts/panel-context.ts';
import { strings } from '../text/strings.ts';
import { MountRow } from './mount-row.tsx';
import { UnmountQuestions } from './unmount-questions.tsx';
import type { HowToUnmount, UnmountStep } from './unmount-questions.tsx';

export function MountsView() {
  const { api, store } = usePanel();
  const mounts = usePanelState((state) => state.host?.mounts ?? noMounts);
  const isDemo = usePanelState((state) => state.host?.demo === true);
  const [step, setStep] = useState<UnmountStep | null>(null);
  const unmount = (mountId: string, how: HowToUnmount) => {
    setStep(null);
    const { discard = false, force = false, ifUnsent = 'keep' } = how;
    api.call('mounts:unmount', { target: mountId, discard, force, ifUnsent }).catch((error: unknown) => {
      const problem = problemOf(error);
      // Cancelled by the person: they chose to stay mounted.
      if (problem.code !== 'cancelled') setStep({ type: 'failed', mountId, problem });
    });
  };
  const add = () => store.setState({ pickerIsOpen: true });
  return (
    <section className="view">
      <header className="view-head">
        <h1>{strings.mounts.title}</h1>
        {isDemo && <span className="tag">{strings.link.demo}</span>}
        <span className="spring" />
        {mounts.length > 0 && (
          <Button look="primary" onPress={add}>
            <Plus aria-hidden />
            {strings.mounts.add}
          </Button>
        )}
      </header>
      {mounts.length === 0 ? (
        <Empty
          icon={<FolderTree />}
          title={strings.mounts.empty}
          action={
            <Button look="primary" onPress={add}>
              {strings.mounts.emptyAction}
            </Button>
          }
        >
          {strings.mounts.emptyHelp}
        </Empty>
      ) : (
        <ul className="card mount-list" aria-label={strings.mounts.list}>
          {mounts.map((mount) => (
            <MountRow key={mount.id} mount={mount} onAsk={setStep} onUnmount={unmount} />
          ))}
        </ul>
      )}
      {step !== null && <UnmountQuestions step={step} onUnmount={unmount} onClose={() => setStep(null)} />}
    </section>
  );
}

const noMounts: readonly never[] = [];
