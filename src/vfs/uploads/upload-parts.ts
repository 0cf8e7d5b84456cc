// What the pieces of the upload queue share: the neighbours they work with, and the places where they report.

import type { ContentStore, InodeContentView, NamespaceForUploads, Surroundings } from '../parts.ts';
import type { PendingFile, UploadFiles } from './upload-files.ts';
import type { UploadLog } from './upload-log.ts';
import type { Failure } from './upload-schedule.ts';
import type { SentVersions } from './upload-sent.ts';

export interface UploadSurroundings extends Surroundings {
  readonly content: ContentStore;
  readonly namespace: NamespaceForUploads & InodeContentView;
  /** For conflict names. */
  readonly hostName: string;
  /** In [0, 1); spreads retries. Math.random where absent. */
  readonly random?: () => number;
}

export interface UploadParts extends Omit<UploadSurroundings, 'random'> {
  readonly random: () => number;
  readonly files: UploadFiles;
  readonly operations: UploadLog;
  readonly sent: SentVersions;
  readonly reports: UploadReports;
}

export interface UploadReports {
  /** A file left `uploading` or `waiting` for good or ill: what waits for it may go on. */
  fileSettled(ino: number): void;
  /** One try failed; it goes on later. `path` is empty where the whole Hub is meant. */
  failed(path: string, failure: Failure, cause: unknown): void;
  /** The file's frozen version, if it has one, will not be committed: its layers become one again. Never throws. */
  abandon(file: PendingFile): void;
  /** Something may be due that was not before. */
  wake(): void;
  /** The committer found nothing due: the time of the next look may have changed. */
  idle(): void;
}
