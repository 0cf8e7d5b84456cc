// The one door between VirtualFs and the Hub. VirtualFs knows nothing of HTTP, Xet or tokens; this file is the
// only one of `src/hub` that `src/vfs` may import. Paths here are Hub paths relative to the mounted subfolder,
// '/'-separated, exactly as the Hub stores them, without leading or trailing slash; '' is the root.

/** Why the Hub refused or failed. `HubError.retryable` says whether trying again can help without a person. */
export type HubErrorCode =
  | 'unauthorized' // 401: no or bad token
  | 'forbidden' // 403: not allowed
  | 'gated' // access must be requested on the Hub first
  | 'not-found' // repo, bucket, revision or entry does not exist
  | 'wrong-kind' // e.g. a bucket was named as a model
  | 'conflict' // 409, 412
  | 'too-large' // 413, 507: size or quota
  | 'rate-limited' // 429
  | 'invalid' // 400, 416, 422 and anything that repeats if sent again
  | 'server' // 5xx
  | 'network' // DNS, connect, reset, truncated body
  | 'timeout' // no answer, or a body that stalled
  | 'corrupt' // bytes that do not have the hash they should have
  | 'aborted'; // by our own AbortSignal

export class HubError extends Error {
  override readonly name = 'HubError';
  readonly code: HubErrorCode;
  readonly retryable: boolean;
  readonly status: number | null;
  /** Milliseconds the Hub asked to wait (RateLimit, Retry-After), or null. */
  readonly retryAfterMs: number | null;
  /** The Hub's own `X-Request-Id`, for support. */
  readonly requestId: string | null;

  constructor(
    code: HubErrorCode,
    message: string,
    details: {
      retryable: boolean;
      status?: number | null;
      retryAfterMs?: number | null;
      requestId?: string | null;
      cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable;
    this.status = details.status ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.requestId = details.requestId ?? null;
  }
}

export type SourceKind = 'bucket' | 'model' | 'dataset' | 'space';

/** What was mounted, resolved against the Hub. */
export interface SourceInfo {
  readonly kind: SourceKind;
  /** `OWNER/NAME`, as the Hub spells it after following renames. */
  readonly name: string;
  /** Repos: the branch, tag, SHA or ref asked for; buckets: null. */
  readonly revision: string | null;
  /** Subfolder inside the source, '' for all of it. */
  readonly subfolder: string;
  /** `bucket/<id>` or `<type>/<repo>/<revision>`: identifies the source for file handles; no subfolder in it. */
  readonly identifier: string;
  readonly writable: boolean;
  readonly private: boolean;
  /** Bytes in the whole source where the Hub tells, else null. */
  readonly totalBytes: number | null;
}

/**
 * Names immutable content. `key` is `xet:<64 hex>` (file hash, display form) or `git:<40 hex>` for small
 * repo files that are not stored in Xet; equal keys mean equal bytes.
 */
export interface ContentRef {
  readonly key: string;
  readonly sizeBytes: number;
  /** Needed to fetch `git:` content; for `xet:` content any former path will do. */
  readonly path: string;
}

/** The hash of empty content: 64 zeros, never fetched. */
export const emptyXetKey = 'xet:' + '0'.repeat(64);

export interface RemoteFile {
  readonly type: 'file';
  readonly path: string;
  readonly content: ContentRef;
  /** Milliseconds since the epoch. */
  readonly mtimeMs: number;
}

export interface RemoteDirectory {
  readonly type: 'directory';
  readonly path: string;
  readonly mtimeMs: number | null;
}

export type RemoteEntry = RemoteFile | RemoteDirectory;

/**
 * Receives decoded, verified plain bytes of a content at `offset`. Pieces may come out of order and may lie
 * outside the asked range (whole chunks are delivered). `bytes` is valid until the call returns, or until the promise it returns
 * settles; meanwhile more may be delivered, in bounds.
 */
export type ContentSink = (offset: number, bytes: Uint8Array) => void | Promise<void>;

export interface FetchOptions {
  readonly signal?: AbortSignal;
  /** Foreground reads overtake read-ahead in the connection budget. */
  readonly priority?: 'foreground' | 'prefetch';
}

/** Half-open byte range. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One frozen version of a file to be uploaded. It must not change until `upload` settles. */
export interface UploadContent {
  readonly sizeBytes: number;
  /** Fills `target` fully from `offset` (both within `sizeBytes`); reads staged bytes, else base bytes. */
  read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** The version this one was made from, or null for a new file. Lets unchanged ranges go unsent and unread. */
  readonly base: ContentRef | null;
  /** Ranges that may differ from `base`, sorted, disjoint, within `sizeBytes`. Outside them the bytes equal the base's at the same offset. */
  readonly dirty: readonly ByteRange[];
}

export interface UploadProgress {
  /** Plain bytes of the file dealt with so far, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface UploadResult {
  readonly content: ContentRef;
  /** Bytes of xorbs and shards that went over the wire. */
  readonly sentBytes: number;
  /** Plain bytes that were not sent because the Hub had their chunks. */
  readonly savedBytes: number;
  /** Bytes fetched from the Hub to make the new version. */
  readonly downloadedBytes: number;
}

/** One line of a commit. `expect`: the content key believed to be at `path` now, null for none; see `commit`. */
export type RemoteOperation =
  | { readonly type: 'add'; readonly path: string; readonly content: ContentRef; readonly mtimeMs: number }
  | { readonly type: 'delete'; readonly path: string };

/** Result of the operation at the same index; `error` null means done. */
export interface RemoteOperationResult {
  readonly path: string;
  readonly error: HubError | null;
}

/** Something changed on the Hub. `paths` null: unknown what, look at everything that is cached; empty: nothing, the stream is there. */
export interface RemoteChange {
  readonly paths: readonly string[] | null;
}

/**
 * Every method rejects with `HubError` only; besides, `fetch` passes on what the sink throws, and `upload` what `content.read`
 * rejects with. All are safe to call concurrently.
 */
export interface RemoteStore {
  readonly info: SourceInfo;

  /** Cheap: an opaque token that differs whenever anything in the source may have changed. */
  probe(signal?: AbortSignal): Promise<string>;

  /** One level of `directory`, page by page. A missing directory yields nothing (the Hub cannot tell). */
  list(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]>;

  /** All files below `directory`, page by page; no directory entries. */
  listRecursive(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteFile[]>;

  /** The files among `paths` as they are now; missing ones and directories are absent from the result. Any number of paths. */
  stat(paths: readonly string[], signal?: AbortSignal): Promise<readonly RemoteFile[]>;

  /**
   * Fetches at least [start, end) of `content`; resolves when all of it was delivered to `sink`. Chunks are checked one by one
   * where their hashes are known; of other files only the whole can be, once all of it has been received. If that fails,
   * "corrupt" that is not retryable says that some of the bytes delivered so far are wrong: they must be dropped.
   */
  fetch(
    content: ContentRef,
    start: number,
    end: number,
    sink: ContentSink,
    options?: FetchOptions,
  ): Promise<void>;

  /** Makes the Hub hold the bytes; nothing becomes visible before `commit`. Repeating it after a failure is cheap (hashes are idempotent). */
  upload(
    content: UploadContent,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: UploadProgress) => void },
  ): Promise<UploadResult>;

  /**
   * Applies the operations in the given order in bounded requests; not transactional (a crash in between leaves
   * a prefix, plus possibly some more). Per-path refusals come back as results; a request that failed as a whole rejects.
   * Buckets only.
   */
  commit(
    operations: readonly RemoteOperation[],
    signal?: AbortSignal,
  ): Promise<readonly RemoteOperationResult[]>;

  /**
   * Push events where the Hub has them (buckets), else null and the caller polls with `probe`. Once the stream is there an empty
   * change comes first. The iterable ends or rejects when the stream is lost or cannot be had.
   */
  changes(signal: AbortSignal): AsyncIterable<RemoteChange> | null;

  /** Aborts everything in flight and frees sockets and workers. Idempotent. */
  close(): Promise<void>;
}
