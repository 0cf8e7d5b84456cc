// Which changes of the host's state are worth interrupting a person for, and in which words. Pure: two states in, notices out. Silent about
// what a person asked for themselves and sees anyway.

import type { HostState, MountView, NoticeKind } from '../../shared/model.ts';
import { sayCount, sayUnsent } from './amounts.ts';

export interface Notice {
  readonly kind: NoticeKind;
  readonly mountId: string;
  readonly title: string;
  readonly body: string;
}

/** The first state of a host gives no notices: it is not news. */
export function noticesOf(
  previous: HostState | null,
  next: HostState | null,
  wanted: readonly NoticeKind[],
): readonly Notice[] {
  if (previous === null || next === null || next.quitting) return [];
  const before = new Map(previous.mounts.map((mount) => [mount.id, mount]));
  return next.mounts
    .flatMap((mount) => noticesOfMount(before.get(mount.id), mount))
    .filter(({ kind }) => wanted.includes(kind));
}

function noticesOfMount(before: MountView | undefined, mount: MountView): readonly Notice[] {
  if (before === undefined) return [];
  const notices: Notice[] = [];
  const note = (kind: NoticeKind, title: string, body: string): void => {
    notices.push({ kind, mountId: mount.id, title, body });
  };
  const { source } = mount;
  const stale = mount.counters.stale - before.counters.stale;
  if (stale > 0)
    note(
      'stale',
      `A program lost its file in ${source}`,
      `${sayCount(stale, 'answer', 'answers')} STALE. ${look}`,
    );
  const conflicts = (mount.conflicts ?? 0) - (before.conflicts ?? 0);
  if (conflicts > 0) {
    const what = sayCount(conflicts, 'file was changed', 'files were changed');
    note('conflict', `${what} here and on the Hub`, `${source}: both versions are kept. ${look}`);
  }
  const failed = newFailure(before, mount);
  if (failed !== null) note('failure', `${source} needs attention`, failed);
  if (before.pending.files > 0 && mount.pending.files === 0 && mount.state === 'mounted')
    note('sent', `${source} is up to date`, `${sayUnsent(before.pending)} sent.`);
  return notices;
}

const look = 'Open the panel to see which and what to do.';

/** Once per problem, however often it is reported; a lost network is no failure, uploads wait for it. */
function newFailure(before: MountView, mount: MountView): string | null {
  const problem = mount.lastError;
  if (mount.state === 'failed' && before.state !== 'failed')
    return problem?.message ?? 'It could not be mounted.';
  if (problem === null || problem.code === 'network' || problem.code === 'cancelled') return null;
  const isKnown = before.lastError?.code === problem.code && before.lastError.message === problem.message;
  return isKnown ? null : problem.message;
}
