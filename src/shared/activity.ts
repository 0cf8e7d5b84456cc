// What programs do through a mount and what the uploader does with it, as plain data that both the engine and
// every surface (panel, CLI, log) show. No behaviour here.

export const activityKinds = [
  'READ',
  'WRITE',
  'COMMIT',
  'CREATE',
  'TRUNCATE',
  'MKDIR',
  'RENAME',
  'LINK',
  'REMOVE',
  'STALE',
  'ERROR',
  'UPLOAD',
  'REMOTE',
  'CONFLICT',
] as const;
export type ActivityKind = (typeof activityKinds)[number];

/** What sending one version of a file moved. */
export interface Transfer {
  /** Bytes that programs wrote anew since the version before; all of a new file. */
  readonly changedBytes: number;
  /** Bytes that went over the wire. */
  readonly sentBytes: number;
  /** Bytes of the file that were not sent because the Hub had their chunks. */
  readonly savedBytes: number;
  /** Bytes the Hub client fetched for the edit. Bytes of the version before that came through the cache count for the mount only. */
  readonly downloadedBytes: number;
}

export interface ActivityEvent {
  /** Increases by one per event of a mount; a gap means that events were dropped. Below zero: remembered from an earlier run. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly kind: ActivityKind;
  /** Inside the mount, without a leading slash; empty for the root or where no path is known. */
  readonly path: string;
  /** RENAME and LINK: the other path. */
  readonly toPath?: string;
  readonly offset?: number;
  readonly bytes?: number;
  readonly durationMs?: number;
  /** For errors: the NFS status name or the cause in words. For UPLOAD: the stage. */
  readonly detail?: string;
  /** UPLOAD, once committed. */
  readonly transfer?: Transfer;
}

/** Totals of one mount since its engine started. All are counts except the `…Bytes` fields. */
export interface Counters {
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writtenBytes: number;
  readonly commits: number;
  readonly stale: number;
  readonly errors: number;
  /** Bytes received from the Hub for programs' reads. */
  readonly downloadedBytes: number;
  /** Of these, the bytes fetched only to make an edit's new version. */
  readonly editDownloadedBytes: number;
  readonly uploadedBytes: number;
  /** Bytes of uploaded files that were not sent because the Hub already had their chunks. */
  readonly savedBytes: number;
  readonly filesCommitted: number;
}
