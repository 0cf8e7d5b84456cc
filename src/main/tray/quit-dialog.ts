// The question that a person is asked when the app is to end while changes are not on the Hub yet. Pure: state and upload speed go in, the
// words and the meaning of each button come out. `quit-flow.ts` decides when to ask.

import type { HostState, MountView } from '../../shared/model.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { sayDuration, sayUnsent } from './amounts.ts';
import type { Question } from './question.ts';
import { totalPending } from './tray-icon.ts';

export type QuitChoice = 'finish' | 'now' | 'cancel';

export interface QuitSituation {
  readonly state: HostState;
  /** Bytes a second lately, null when nothing was sent. */
  readonly uploadRate: number | null;
  /** The sending that was asked for before quitting goes on. */
  readonly isFinishing: boolean;
  /** Why the sending that was asked for did not end well. */
  readonly failure: string | null;
}

/** Null: nothing is unsent, nothing to ask. */
export function quitQuestion(situation: QuitSituation): Question<QuitChoice> | null {
  const { state, isFinishing, failure } = situation;
  const unsent = state.mounts.filter((mount) => mount.pending.files > 0);
  if (unsent.length === 0) return null;
  const total = sayUnsent(totalPending(unsent));
  const finish = isFinishing && failure === null ? 'Go on, then quit' : 'Finish sending, then quit';
  return {
    message:
      failure === null
        ? `Hubdrive ${isFinishing ? 'is still sending' : 'still has to send'} ${total}`
        : `Not everything could be sent: ${total} left`,
    detail: [
      ...(failure === null ? [] : [failure]),
      ...unsent.slice(0, maxNamed).map((mount) => `• ${mount.source}: ${sayUnsent(mount.pending)}`),
      ...(unsent.length > maxNamed ? [`• and ${unsent.length - maxNamed} more`] : []),
      estimate(unsent, situation.uploadRate),
      'If you quit now nothing is lost: the changes are safe on this disk and are sent when Hubdrive runs again.',
    ].join('\n'),
    buttons: [finish, 'Quit now, send next time', 'Cancel'],
    choices: ['finish', 'now', 'cancel'],
    defaultChoice: 'finish',
    cancelChoice: 'cancel',
  };
}

const maxNamed = 5;

function estimate(unsent: readonly MountView[], uploadRate: number | null): string {
  if (unsent.some((mount) => mount.link === 'offline'))
    return 'The Hub is not reached at the moment; finishing waits for it.';
  if (unsent.some((mount) => mount.uploadsPaused)) return 'Uploads are paused; finishing resumes them.';
  const { bytes } = totalPending(unsent);
  if (bytes === 0) return 'Sending them takes a few seconds.';
  if (uploadRate === null || uploadRate <= 0) return 'How long that takes is not known yet.';
  return `At ${formatBytes(uploadRate)} a second that takes about ${sayDuration((bytes / uploadRate) * 1000)}.`;
}
