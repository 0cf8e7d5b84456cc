// Builds what surfaces see of one mount from its state, its record and what the engine said last. Pure.

import { zeroCounters } from '../../shared/model.ts';
import type { DatedProblem, MountView, NfsEndpoint } from '../../shared/model.ts';
import type { EngineStatus, ListenOptions } from '../engine/engine.ts';
import type { MountState } from './mount-machine.ts';
import type { MountRecord } from './mount-records.ts';

export interface ViewParts {
  readonly record: MountRecord;
  readonly endpoint: string;
  readonly state: MountState;
  readonly status: EngineStatus | null;
  readonly listening: ListenOptions | null;
  readonly lastError: DatedProblem | null;
  readonly paused: boolean;
  readonly pausedUntil: number | null;
}

export function mountViewOf(parts: ViewParts): MountView {
  const { record, state, status, listening } = parts;
  return {
    id: record.id,
    source: record.source,
    revision: record.revision,
    endpoint: parts.endpoint,
    state: state.name,
    attached: isAttached(state),
    link: 'link' in state ? state.link : 'online',
    server: serverOf(state, listening !== null),
    mountPoint: record.serverOnly ? null : record.mountPoint,
    serverOnly: record.serverOnly,
    readOnly: record.readOnly,
    nfs: listening === null ? null : nfsEndpointOf(listening),
    pending: status?.pending ?? record.unsent,
    uploadsPaused: parts.paused,
    ...(parts.pausedUntil === null ? {} : { pausedUntil: parts.pausedUntil }),
    counters: status?.counters ?? zeroCounters,
    lastActivityAt: status?.lastActivityAt ?? null,
    lastError: parts.lastError,
    restored: record.wanted,
  };
}

function nfsEndpointOf({ host, port, exportPath }: ListenOptions): NfsEndpoint {
  return { host, port, mountPort: port, exportPath };
}

/** While it is being removed it may still be there. */
export function isAttached(state: MountState): boolean {
  switch (state.name) {
    case 'orphaned':
    case 'mounted':
    case 'detaching':
      return true;
    case 'draining':
      return state.attached;
    case 'connecting':
    case 'attaching':
      return state.orphan;
    case 'idle':
    case 'failed':
      return false;
  }
}

function serverOf(state: MountState, isListening: boolean): MountView['server'] {
  if ('server' in state && state.server === 'restarting') return 'restarting';
  return isListening ? 'up' : 'down';
}
