// Direct access to what the embedded Hub holds, without HTTP: tests and the demo prepare buckets with it and compare
// results by it. Changes made here reach event streams like any other.

import { checkPath } from './bucket-batch.ts';
import type { Bucket, BucketEdit, BucketFile } from './bucket-store.ts';
import { readPlain } from './content.ts';
import { sha256Hex, storeContents, type StoreOptions } from './content-writer.ts';
import type { HubContext } from './hub-context.ts';

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
