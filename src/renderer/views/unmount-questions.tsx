// What is asked around an unmount: what to do with unsent changes, what to do about programs that hold it, and whether to discard.

import type { MountView, Problem } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { Question } from '../parts/dialog.tsx';
import { usePanelState } from '../parts/panel-context.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { splitSource } from '../text/format.ts';
import { strings } from '../text/strings.ts';

export type UnmountStep =
  | { readonly type: 'unsent'; readonly mountId: string }
  | { readonly type: 'discard'; readonly mountId: string }
  | { readonly type: 'failed'; readonly mountId: string; readonly problem: Problem };

export interface HowToUnmount {
  readonly discard?: boolean;
  readonly force?: boolean;
  readonly ifUnsent?: 'keep' | 'keep-now' | 'stay';
}

interface Answers {
  /** The question is answered with it; how it goes is seen in the mount's row. */
  readonly onUnmount: (mountId: string, how: HowToUnmount) => void;
  readonly onClose: () => void;
}

export function UnmountQuestions({ step, ...answers }: Answers & { readonly step: UnmountStep }) {
  const mount = usePanelState(({ host }) => host?.mounts.find((each) => each.id === step.mountId));
  if (mount === undefined) return null;
  switch (step.type) {
    case 'unsent':
      return <UnsentQuestion mount={mount} {...answers} />;
    case 'discard':
      return <DiscardQuestion mount={mount} {...answers} />;
    case 'failed':
      return <FailedQuestion mount={mount} problem={step.problem} {...answers} />;
  }
}

interface QuestionProps extends Answers {
  readonly mount: MountView;
}

function UnsentQuestion({ mount, onUnmount, onClose }: QuestionProps) {
  const words = strings.unmount;
  return (
    <Question
      title={words.unsentTitle(nameOf(mount))}
      onClose={onClose}
      actions={
        <>
          <Button onPress={onClose}>{strings.cancel}</Button>
          <Button onPress={() => onUnmount(mount.id, { ifUnsent: 'keep-now' })}>{words.keep}</Button>
          <Button look="primary" autoFocus onPress={() => onUnmount(mount.id, { ifUnsent: 'stay' })}>
            {words.finish}
          </Button>
        </>
      }
    >
      <p>{words.unsentText(amountOf(mount))}</p>
    </Question>
  );
}

function DiscardQuestion({ mount, onUnmount, onClose }: QuestionProps) {
  const words = strings.unmount;
  return (
    <Question
      title={words.discardTitle(nameOf(mount))}
      onClose={onClose}
      actions={
        <>
          <Button look="danger" onPress={() => onUnmount(mount.id, { discard: true })}>
            {words.discardAction}
          </Button>
          <Button autoFocus onPress={onClose}>
            {strings.cancel}
          </Button>
        </>
      }
    >
      <p>{words.discardText(amountOf(mount))}</p>
    </Question>
  );
}

function FailedQuestion({
  mount,
  problem,
  onUnmount,
  onClose,
}: QuestionProps & { readonly problem: Problem }) {
  const words = strings.unmount;
  const isBusy = problem.code === 'busy';
  const programs = problem.programs ?? [];
  return (
    <Question
      title={isBusy ? words.busyTitle(nameOf(mount)) : words.failedTitle(nameOf(mount))}
      onClose={onClose}
      actions={
        <>
          <Button onPress={onClose}>{strings.cancel}</Button>
          {isBusy && (
            <Button look="danger" onPress={() => onUnmount(mount.id, { force: true })}>
              {words.force}
            </Button>
          )}
          <Button look="primary" autoFocus onPress={() => onUnmount(mount.id, {})}>
            {strings.retry}
          </Button>
        </>
      }
    >
      {isBusy ? (
        <>
          <p>{programs.length > 0 ? words.busyText : words.busyUnknown}</p>
          <ul className="program-list">
            {programs.map(({ pid, name }) => (
              <li key={pid}>
                <strong>{name}</strong> <span className="quiet">{words.process(pid)}</span>
              </li>
            ))}
          </ul>
          <p className="quiet">{words.forceHint}</p>
        </>
      ) : (
        <p>{problem.message}</p>
      )}
    </Question>
  );
}

function nameOf(mount: MountView): string {
  return splitSource(mount.source).name;
}

function amountOf(mount: MountView): string {
  const { files, bytes } = mount.pending;
  return bytes === 0
    ? strings.count.changes(files)
    : `${strings.count.changes(files)} (${formatBytes(bytes)})`;
}
