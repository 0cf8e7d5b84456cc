// Uploads versions of files. An edit starts from what is known of its base: a kept chunk list, else what the CAS helps to
// find out (`foreign-edit.ts`), else nothing. The file hash is that of a whole upload in all three. Nothing is visible on the
// Hub before the commit, so a failed upload is simply repeated.

import { hashFromHex, hashToHex } from '../xet/hash.ts';
import { ManifestLayout } from './base-layout.ts';
import { BaseTerms } from './base-terms.ts';
import { ForeignEdits } from './foreign-edit.ts';
import { Manifest } from './manifest.ts';
import { emptyXetKey, type UploadContent, type UploadResult } from './remote-store.ts';
import { UploadAttempt, type XetUploadOptions, type XetWriterParts } from './upload-attempt.ts';
import type { XetReader } from './xet-reader.ts';

/** A smaller file is sent sooner than its base is looked into. */
const minRewrittenBytes = 8 * 1024 * 1024;

export class XetWriter {
  readonly #parts: XetWriterParts;
  readonly #reader: XetReader;
  readonly #foreign: ForeignEdits;

  constructor(parts: XetWriterParts, reader: XetReader) {
    this.#parts = parts;
    this.#reader = reader;
    this.#foreign = new ForeignEdits(parts, reader);
  }

  /** Rejects with `HubError`, or with what `content.read` rejects with. */
  async upload(content: UploadContent, options: XetUploadOptions): Promise<UploadResult> {
    const path = content.base?.path ?? '';
    if (content.sizeBytes === 0) {
      const empty = { key: emptyXetKey, sizeBytes: 0, path };
      return { content: empty, sentBytes: 0, savedBytes: 0, downloadedBytes: 0 };
    }
    const { base } = content;
    if (
      base !== null &&
      content.dirty.length === 0 &&
      base.sizeBytes === content.sizeBytes &&
      base.key.startsWith('xet:')
    ) {
      return { content: base, sentBytes: 0, savedBytes: content.sizeBytes, downloadedBytes: 0 };
    }
    const baseHash = editedBase(content);
    const manifest = baseHash === null ? null : this.#parts.known.manifest(baseHash);
    let wastedBytes = 0;
    let downloadedBytes = 0;
    if (baseHash !== null && manifest === null) {
      const edit = await this.#foreign.upload(baseHash, content, options);
      if (edit.result !== null) return edit.result;
      wastedBytes += edit.sentBytes;
      downloadedBytes += edit.downloadedBytes;
    }
    const usable = manifest !== null && manifest.sizeBytes === content.base?.sizeBytes ? manifest : null;
    const baseTerms = this.#rewrittenBase(content, options.signal);
    const first = new UploadAttempt(this.#parts, content, options, true, baseTerms);
    try {
      const done = await this.#finish(first, content, usable, wastedBytes, downloadedBytes);
      return { ...done, downloadedBytes: done.downloadedBytes + (baseTerms?.downloadedBytes ?? 0) };
    } catch (error) {
      if (!first.wasRefusedForReuse(error)) throw error;
      this.#parts.known.forgetAll();
      this.#parts.unregistered.clear();
      const second = new UploadAttempt(this.#parts, content, options, false);
      return await this.#finish(second, content, null, wastedBytes + first.sentBytes, downloadedBytes);
    }
  }

  /** The base of a file all of whose bytes were written, if its chunks are not known. */
  #rewrittenBase(content: UploadContent, signal: AbortSignal): BaseTerms | null {
    const { base, sizeBytes } = content;
    if (base === null || !base.key.startsWith('xet:') || editedBase(content) !== null) return null;
    if (Math.min(base.sizeBytes, sizeBytes) < minRewrittenBytes) return null;
    const hash = hashFromHex(base.key.slice('xet:'.length));
    if (this.#parts.known.manifest(hash) !== null) return null;
    return new BaseTerms(this.#parts.cas, this.#reader, { hash, sizeBytes: base.sizeBytes }, signal);
  }

  async #finish(
    attempt: UploadAttempt,
    content: UploadContent,
    manifest: Manifest | null,
    wastedBytes: number,
    downloadedBytes: number,
  ): Promise<UploadResult> {
    const { pieces } = await attempt.assemble(manifest === null ? null : new ManifestLayout(manifest));
    const { hash, chunks } = await attempt.registerChunks(pieces);
    await this.#parts.known.keep(hash, await Manifest.ofInTurns(chunks));
    return {
      content: {
        key: `xet:${hashToHex(hash)}`,
        sizeBytes: content.sizeBytes,
        path: content.base?.path ?? '',
      },
      sentBytes: attempt.sentBytes + wastedBytes,
      savedBytes: attempt.savedBytes,
      downloadedBytes,
    };
  }
}

/** The hash of the base, if part of it stays. */
function editedBase(content: UploadContent): Uint8Array | null {
  const { base, dirty, sizeBytes } = content;
  if (base === null || !base.key.startsWith('xet:') || base.key === emptyXetKey) return null;
  const changedBytes = dirty.reduce((sum, range) => sum + range.end - range.start, 0);
  return changedBytes >= sizeBytes ? null : hashFromHex(base.key.slice('xet:'.length));
}
