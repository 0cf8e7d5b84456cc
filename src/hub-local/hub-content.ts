// Direct access to what the embedded Hub holds, without HTTP: tests and the demo prepare buckets with it and compare
// results by it. Changes made here reach event streams like any other.

import { checkPath } from './bucket-batch.ts';
import type { Bucket, BucketEdit, BucketFile } from './bucket-store.ts';
import { readPlain } from './content.ts';
import { sha256Hex, storeContents, storeRepeated, type StoreOptions } from './content-writer.ts';
import { defaultGitAttributes } from './git-objects.ts';
import type { HubContext } from './hub-context.ts';
import { uploadModeOf } from './repo-commit.ts';
import type { Repo, RepoEdit, RepoType } from './repo-store.ts';

export interface NewFile {
  readonly path: string;
  readonly data: Uint8Array | string;
  /** Milliseconds since the epoch; the time of the call without it. */
  readonly mtimeMs?: number;
  readonly contentType?: string;
}

export class HubContent {
  readonly #hub: HubContext;

  constructor(hub: HubContext) {
    this.#hub = hub;
  }

  /** `id` is `OWNER/NAME`. Does nothing if it exists. */
  createBucket(id: string, options: { readonly private?: boolean } = {}): void {
    const { namespace, name } = splitId(id);
    if (this.#hub.buckets.find(namespace, name) !== null) return;
    this.#hub.buckets.create(namespace, name, options.private ?? false, null, this.#hub.clock.now());
  }

  /** Adds or replaces files in one commit; returns their Xet hashes in the same order. */
  async putFiles(bucketId: string, files: readonly NewFile[], options: StoreOptions = {}): Promise<string[]> {
    const bucket = this.#bucket(bucketId);
    const contents = files.map((file) =>
      typeof file.data === 'string' ? Buffer.from(file.data) : file.data,
    );
    const hashes = await storeContents(this.#hub.cas, contents, options);
    const now = this.#hub.clock.now();
    const edits = files.map((file, index): BucketEdit => {
      const problem = checkPath(file.path);
      if (problem !== null) throw new RangeError(`${JSON.stringify(file.path)}: ${problem}`);
      return {
        type: 'put',
        path: file.path,
        xetHash: hashes[index] ?? '',
        sizeBytes: contents[index]?.byteLength ?? 0,
        mtime: Math.floor(file.mtimeMs ?? now),
        contentType: file.contentType ?? null,
      };
    });
    this.#apply(bucket, edits);
    return hashes;
  }

  async putFile(
    bucketId: string,
    path: string,
    data: Uint8Array | string,
    options: StoreOptions = {},
  ): Promise<string> {
    const [hash = ''] = await this.putFiles(bucketId, [{ path, data }], options);
    return hash;
  }

  /** A file of `block` repeated `times` times that takes the disk space of one block; see `storeRepeated`. */
  async putRepeatedFile(
    bucketId: string,
    path: string,
    block: Uint8Array,
    times: number,
    options: StoreOptions = {},
  ): Promise<string> {
    const xetHash = await storeRepeated(this.#hub.cas, block, times, options);
    const now = this.#hub.clock.now();
    const sizeBytes = block.byteLength * times;
    this.#apply(this.#bucket(bucketId), [
      { type: 'put', path, xetHash, sizeBytes, mtime: now, contentType: null },
    ]);
    return xetHash;
  }

  /** Gives the content of the file at `from` more names: trees of millions for benchmarks. */
  putNames(bucketId: string, from: string, paths: readonly string[]): void {
    const bucket = this.#bucket(bucketId);
    const file = this.#hub.buckets.file(bucket, from);
    if (file === null) throw new Error(`${bucketId} has no file ${JSON.stringify(from)}`);
    const { xetHash, sizeBytes, mtime, contentType } = file;
    this.#apply(
      bucket,
      paths.map((path) => ({ type: 'put', path, xetHash, sizeBytes, mtime, contentType })),
    );
  }

  deleteFiles(bucketId: string, paths: readonly string[]): void {
    this.#apply(
      this.#bucket(bucketId),
      paths.map((path) => ({ type: 'delete', path })),
    );
  }

  /** Every file of the bucket, by path in byte order. */
  listFiles(bucketId: string): BucketFile[] {
    const bucket = this.#bucket(bucketId);
    const files: BucketFile[] = [];
    let from: string | null = '';
    while (from !== null) {
      const page = this.#hub.buckets.page(bucket, '', true, from, 10_000);
      for (const entry of page.entries) if (entry.type === 'file') files.push(entry);
      from = page.next;
    }
    return files;
  }

  /** The whole content of a file, or null if there is none at the path. */
  async readFile(bucketId: string, path: string): Promise<Buffer | null> {
    const file = this.#hub.buckets.file(this.#bucket(bucketId), path);
    return file === null ? null : this.readContent(file.xetHash);
  }

  /** Path to SHA-256 (hex) of every file, decoded from the stored xorbs. */
  async digests(bucketId: string): Promise<Map<string, string>> {
    const digests = new Map<string, string>();
    for (const file of this.listFiles(bucketId)) {
      digests.set(file.path, sha256Hex(await this.readContent(file.xetHash)));
    }
    return digests;
  }

  /** The plain bytes of a registered file hash. */
  async readContent(xetHash: string): Promise<Buffer> {
    const record = this.#hub.cas.file(xetHash);
    if (record === null) throw new Error(`No file with the hash ${xetHash} is registered`);
    const pieces: Buffer[] = [];
    await readPlain(this.#hub.cas, record, 0, record.sizeBytes, (piece) => {
      pieces.push(Buffer.from(piece));
      return Promise.resolve();
    });
    return Buffer.concat(pieces);
  }

  /** A repo with an initial commit on `main`. Does nothing if it exists. */
  createRepo(
    type: RepoType,
    id: string,
    options: {
      readonly private?: boolean;
      readonly gated?: 'auto' | 'manual';
      readonly dateMs?: number;
    } = {},
  ): void {
    const { namespace, name } = splitId(id);
    if (this.#hub.repos.find(type, namespace, name) !== null) return;
    const repo = this.#hub.repos.create(
      { type, namespace, name, private: options.private ?? false, sdk: type === 'space' ? 'static' : null },
      [{ type: 'blob', path: '.gitattributes', data: Buffer.from(defaultGitAttributes) }],
      {
        title: 'initial commit',
        message: '',
        author: namespace,
        date: options.dateMs ?? this.#hub.clock.now(),
      },
    );
    if (options.gated !== undefined) this.#hub.repos.update(repo, { gated: options.gated });
  }

  /**
   * One commit on a branch; binary files go into Xet, text into git, as a client's upload would. `data: null` deletes.
   * Returns the commit id.
   */
  async commitFiles(
    type: RepoType,
    id: string,
    branch: string,
    files: readonly { readonly path: string; readonly data: Uint8Array | string | null }[],
    details: { readonly title?: string; readonly dateMs?: number } = {},
  ): Promise<string> {
    const repo = this.#repo(type, id);
    const edits: RepoEdit[] = [];
    for (const { path, data } of files) edits.push(await this.#repoEdit(path, data));
    const ref = `refs/heads/${branch}`;
    return this.#hub.repos.commit(repo, ref, this.#hub.repos.refTarget(repo, ref), edits, {
      title: details.title ?? 'Update files',
      message: '',
      author: repo.namespace,
      date: details.dateMs ?? this.#hub.clock.now(),
    });
  }

  async #repoEdit(path: string, data: Uint8Array | string | null): Promise<RepoEdit> {
    if (data === null) return { type: 'delete', path };
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (uploadModeOf(path, bytes.byteLength, bytes.subarray(0, 512)) === 'regular') {
      return { type: 'blob', path, data: bytes };
    }
    const [xetHash = ''] = await storeContents(this.#hub.cas, [bytes], { sha256: true });
    return { type: 'lfs', path, sha256: sha256Hex(bytes), xetHash, sizeBytes: bytes.byteLength };
  }

  /** Points a full ref name (`refs/tags/v1`, `refs/heads/dev`, `refs/pr/1`) at what `revision` names. */
  setRef(type: RepoType, id: string, ref: string, revision: string): void {
    const repo = this.#repo(type, id);
    const commit = this.#hub.repos.resolve(repo, revision);
    if (commit === null) throw new Error(`${id} has no revision ${revision}`);
    this.#hub.repos.setRef(repo, ref, commit);
  }

  /** Changes who may see a repo. */
  updateRepo(
    type: RepoType,
    id: string,
    changes: { private?: boolean; gated?: 'auto' | 'manual' | null; disabled?: boolean },
  ): void {
    this.#hub.repos.update(this.#repo(type, id), changes);
  }

  /** Removes a bucket or repo if it exists. */
  remove(type: 'bucket' | RepoType, id: string): void {
    const { namespace, name } = splitId(id);
    if (type === 'bucket') {
      const bucket = this.#hub.buckets.find(namespace, name);
      if (bucket === null) return;
      this.#hub.events.endAll(false, bucket);
      this.#hub.buckets.remove(bucket);
      return;
    }
    const repo = this.#hub.repos.find(type, namespace, name);
    if (repo !== null) this.#hub.repos.remove(repo);
  }

  #repo(type: RepoType, id: string): Repo {
    const { namespace, name } = splitId(id);
    const repo = this.#hub.repos.find(type, namespace, name);
    if (repo === null) throw new Error(`The embedded Hub has no ${type} ${id}`);
    return repo;
  }

  #apply(bucket: Bucket, edits: readonly BucketEdit[]): void {
    this.#hub.events.publish(bucket, this.#hub.buckets.apply(bucket, edits, this.#hub.clock.now()));
  }

  #bucket(id: string): Bucket {
    const { namespace, name } = splitId(id);
    const bucket = this.#hub.buckets.find(namespace, name);
    if (bucket === null) throw new Error(`The embedded Hub has no bucket ${id}`);
    return bucket;
  }
}

function splitId(id: string): { namespace: string; name: string } {
  const [namespace, name, ...rest] = id.split('/');
  if (namespace === undefined || name === undefined || rest.length > 0) {
    throw new RangeError(`"${id}" is not OWNER/NAME`);
  }
  return { namespace, name };
}
