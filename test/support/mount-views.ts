// Views of mounts and states of hosts as the surfaces get them, for tests of what is said about them.

import { zeroCounters } from '../../src/shared/model.ts';
import type { DatedProblem, HostState, MountView } from '../../src/shared/model.ts';

/** A mount that is at rest and has nothing to send. */
export function mountView(change: Partial<MountView> = {}): MountView {
  return {
    id: 'one',
    source: 'bucket/demo/project',
    revision: null,
    endpoint: 'https://huggingface.co',
    state: 'mounted',
    attached: true,
    link: 'online',
    server: 'up',
    mountPoint: '/home/u/Hubdrive/demo/project',
    serverOnly: false,
    readOnly: false,
    nfs: null,
    pending: { files: 0, bytes: 0 },
    uploadsPaused: false,
    counters: zeroCounters,
    lastActivityAt: null,
    lastError: null,
    restored: true,
    ...change,
  };
}

export function hostState(mounts: readonly MountView[], change: Partial<HostState> = {}): HostState {
  return {
    revision: 1,
    hostVersion: '1.0.0',
    endpoint: 'https://huggingface.co',
    demo: false,
    token: 'keychain',
    quitting: false,
    mounts,
    ...change,
  };
}

export function datedProblem(change: Partial<DatedProblem> = {}): DatedProblem {
  return { code: 'hub', message: 'The Hub refused it', retryable: false, at: 0, ...change };
}
