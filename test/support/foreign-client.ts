// What the interop tests do with a Hub client that nobody here wrote, so that the same stories run with each of them,
// against the embedded Hub alone or with a mount in between.

export interface ForeignFile {
  readonly path: string;
  readonly data: Uint8Array;
}

export interface ForeignEntry {
  readonly path: string;
  readonly sizeBytes: number;
  /** Display form. */
  readonly xetHash: string;
}

/** All methods reject on any failure, partial ones included. */
export interface ForeignClient {
  readonly name: string;
  createBucket(id: string): Promise<void>;
  upload(bucketId: string, files: readonly ForeignFile[]): Promise<void>;
  /** Every file of the bucket, by path. */
  list(bucketId: string): Promise<ForeignEntry[]>;
  download(bucketId: string, path: string): Promise<Buffer>;
  /** Bytes [start, end). */
  downloadRange(bucketId: string, path: string, start: number, end: number): Promise<Buffer>;
  /** Copies inside a bucket without moving data. */
  copy(bucketId: string, from: string, to: string): Promise<void>;
  remove(bucketId: string, paths: readonly string[]): Promise<void>;
  /** Makes a model repo with these files on `main`. */
  createModel(id: string, files: readonly ForeignFile[]): Promise<void>;
  downloadFromModel(id: string, revision: string, path: string): Promise<Buffer>;
  close(): Promise<void>;
}
