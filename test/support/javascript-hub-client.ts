// The real `@huggingface/hub` as a `ForeignClient`, plus the edit that only it offers.

import {
  commit,
  copyFile,
  createRepo,
  deleteFiles,
  downloadFile,
  listFiles,
  uploadFiles,
  type RepoDesignation,
} from '@huggingface/hub';
import type { ForeignClient, ForeignEntry, ForeignFile } from './foreign-client.ts';

/** Replaces bytes [start, end) of a file by `data`. */
export interface ForeignEdit {
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

export class JavaScriptHubClient implements ForeignClient {
  readonly name = '@huggingface/hub';
  readonly #hubUrl: string;
  readonly #accessToken: string;

  constructor(endpoint: string, token: string) {
    this.#hubUrl = endpoint;
    this.#accessToken = token;
  }

  get #common(): { hubUrl: string; accessToken: string } {
    return { hubUrl: this.#hubUrl, accessToken: this.#accessToken };
  }

  async createBucket(id: string): Promise<void> {
    await createRepo({ ...this.#common, repo: bucket(id) });
  }

  async upload(bucketId: string, files: readonly ForeignFile[]): Promise<void> {
    await uploadFiles({ ...this.#common, repo: bucket(bucketId), files: files.map(asUpload) });
  }

  async list(bucketId: string): Promise<ForeignEntry[]> {
    const entries: ForeignEntry[] = [];
    for await (const file of listFiles({ ...this.#common, repo: bucket(bucketId), recursive: true })) {
      entries.push({ path: file.path, sizeBytes: file.size, xetHash: file.xetHash ?? '' });
    }
    return entries;
  }

  async download(bucketId: string, path: string): Promise<Buffer> {
    return Buffer.from(await (await this.#open(bucket(bucketId), path)).arrayBuffer());
  }

  async downloadRange(bucketId: string, path: string, start: number, end: number): Promise<Buffer> {
    const blob = await this.#open(bucket(bucketId), path);
    return Buffer.from(await blob.slice(start, end).arrayBuffer());
  }

  async copy(bucketId: string, from: string, to: string): Promise<void> {
    const repo = bucket(bucketId);
    await copyFile({ ...this.#common, source: { repo, path: from }, destination: { repo, path: to } });
  }

  async remove(bucketId: string, paths: readonly string[]): Promise<void> {
    await deleteFiles({ ...this.#common, repo: bucket(bucketId), paths: [...paths] });
  }

  /** Edits without downloading what stays, where the Hub allows it. Edits are in offsets of the old file, sorted. */
  async edit(bucketId: string, path: string, edits: readonly ForeignEdit[]): Promise<void> {
    const repo = bucket(bucketId);
    await commit({
      ...this.#common,
      repo,
      title: 'Edit',
      operations: [
        {
          operation: 'edit',
          path,
          originalContent: await this.#open(repo, path),
          edits: edits.map(({ start, end, data }) => ({
            start,
            end,
            content: new Blob([Uint8Array.from(data)]),
          })),
        },
      ],
    });
  }

  async createModel(id: string, files: readonly ForeignFile[]): Promise<void> {
    const repo: RepoDesignation = { type: 'model', name: id };
    await createRepo({ ...this.#common, repo });
    await uploadFiles({ ...this.#common, repo, files: files.map(asUpload) });
  }

  async downloadFromModel(id: string, revision: string, path: string): Promise<Buffer> {
    const blob = await this.#open({ type: 'model', name: id }, path, revision);
    return Buffer.from(await blob.arrayBuffer());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #open(repo: RepoDesignation, path: string, revision?: string): Promise<Blob> {
    const blob = await downloadFile({
      ...this.#common,
      repo,
      // The library puts the path into the URL as it is.
      path: path.split('/').map(encodeURIComponent).join('/'),
      ...(revision === undefined ? {} : { revision }),
      // An abandoned parallel download leaves its interval running and so the process alive.
      parallelDownloads: false,
    });
    if (blob === null) throw new Error(`${path} does not exist`);
    return blob;
  }
}

function bucket(id: string): { type: 'bucket'; name: string } {
  return { type: 'bucket', name: id };
}

function asUpload(file: ForeignFile): { path: string; content: Blob } {
  return { path: file.path, content: new Blob([Uint8Array.from(file.data)]) };
}
