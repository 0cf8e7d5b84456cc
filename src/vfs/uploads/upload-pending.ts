// Shows people what is pending and why: one item per file and logged operation, with its state and next try. Reads only.

import type { PendingItem, UploadState } from '../parts.ts';
import type { PendingFile } from './upload-files.ts';
import type { BackOffGate } from './upload-gate.ts';
import type { LoggedOperation } from './upload-log.ts';
import type { UploadParts } from './upload-parts.ts';
import type { Failure } from './upload-schedule.ts';
import type { OperationSelection } from './upload-selection.ts';

/** More lines than a person reads; the totals count everything. */
const mostShownItems = 1000;

export interface PendingGates {
  readonly commitGate: BackOffGate;
  readonly uploadGate: BackOffGate;
  isMoving(seq: number): boolean;
}

export class PendingView {
  readonly #parts: UploadParts;
  readonly #selection: OperationSelection;
  readonly #gates: PendingGates;

  constructor(parts: UploadParts, selection: OperationSelection, gates: PendingGates) {
    this.#parts = parts;
    this.#selection = selection;
    this.#gates = gates;
  }

  /** At most 1000 files and 1000 operations, the oldest ones. */
  items(): readonly PendingItem[] {
    const items: PendingItem[] = [];
    for (const file of this.#parts.files.all()) {
      if (items.length >= mostShownItems) break;
      items.push(this.#describeFile(file));
    }
    for (const operation of this.#parts.operations.first(mostShownItems)) {
      items.push(this.#describeOperation(operation));
    }
    return items;
  }

  #describeFile(file: PendingFile): PendingItem {
    const { namespace } = this.#parts;
    return {
      id: `file:${file.ino}`,
      kind: 'file',
      path: namespace.pathOf(file.ino) ?? '',
      bytes: namespace.sizeBytes(file.ino),
      state: this.#stateOf(file),
    };
  }

  #stateOf(file: PendingFile): UploadState {
    switch (file.phase) {
      case 'uploading':
        return { state: 'uploading', doneBytes: file.doneBytes, totalBytes: file.totalBytes };
      case 'ready':
        return this.#failedState(this.#gates.commitGate) ?? { state: 'committing' };
      case 'committing':
        return { state: 'committing' };
      case 'waiting': {
        const dueAt = this.#parts.files.dueAt(file);
        if (file.failure !== null) {
          return this.#failed(file.failure, file.attempts, dueAt);
        }
        const failed =
          dueAt <= this.#gates.uploadGate.opensAt ? this.#failedState(this.#gates.uploadGate) : null;
        if (failed !== null) return failed;
        return file.safe ? { state: 'safe', sendAt: this.#wallTime(dueAt) } : { state: 'received' };
      }
    }
  }

  #failedState({ failure, attempts, opensAt }: BackOffGate): UploadState | null {
    return failure === null ? null : this.#failed(failure, attempts, opensAt);
  }

  #failed(failure: Failure, attempts: number, nextTryAt: number): UploadState {
    const { message: cause, code } = failure;
    return { state: 'failed', cause, code, attempts, nextTryAt: this.#wallTime(nextTryAt) };
  }

  #stateOfOperation({ seq, holder }: LoggedOperation): UploadState {
    if (this.#gates.isMoving(seq)) return { state: 'committing' };
    const failing = this.#selection.failureOf(holder);
    if (failing?.seqs.includes(seq) === true) {
      return this.#failed(failing.failure, failing.attempts, failing.nextTryAt);
    }
    const sendAt = this.#selection.nextDueAt() ?? this.#parts.clock.monotonic();
    return this.#failedState(this.#gates.commitGate) ?? { state: 'safe', sendAt: this.#wallTime(sendAt) };
  }

  #describeOperation(operation: LoggedOperation): PendingItem {
    return {
      id: `op:${operation.seq}`,
      kind: operation.type,
      path: 'path' in operation ? operation.path : operation.to,
      bytes: 'content' in operation ? operation.content.sizeBytes : 0,
      state: this.#stateOfOperation(operation),
    };
  }

  #wallTime(monotonic: number): number {
    const { clock } = this.#parts;
    return clock.now() + Math.max(0, monotonic - clock.monotonic());
  }
}

/** Reads `PendingItem.id`; null for anything else. */
export function parsePendingId(id: string): { readonly kind: 'file' | 'op'; readonly number: number } | null {
  const match = /^(file|op):(\d{1,16})$/.exec(id);
  if (match === null) return null;
  return { kind: match[1] === 'file' ? 'file' : 'op', number: Number(match[2]) };
}
