// Freezes a version of a staged file so that it can be sent while programs go on writing: the layer with all changes stays
// as it is, later writes go to a new one above it. Both are in the index, so that after a crash they become one staged file again.

import type { ByteRange, ContentRef } from '../../hub/remote-store.ts';
import { flattenOrigin, originOf } from '../cache/cache-origin.ts';
import type { ContentCache } from '../cache/content-cache.ts';
import { fromDiskError } from '../storage/disk-error.ts';
import type { EditCount } from '../cache/fetch-waiter.ts';
import { FsError } from '../fs-error.ts';
import { readLayers } from './layered-read.ts';
import type { Snapshot } from '../parts.ts';
import { damageError } from './staged-damage.ts';
import type { StagedFile } from './staged-file.ts';
import type { StagedLayer } from './staged-layer.ts';
import type { StagingArea } from './staging-area.ts';

/**
 * Null when the file was forgotten meanwhile. The data is committed first: what is sent is never less safe here than on the Hub.
 * Rejects with EAGAIN where a version is frozen already, and with the errors of a commit.
 */
export async function takeSnapshot(
  file: StagedFile,
  area: StagingArea,
  cache: ContentCache,
): Promise<Snapshot | null> {
  if (file.isFrozen) {
    throw new FsError('EAGAIN', 'snapshot', {
      path: area.pathOf(file.ino) ?? `inode ${file.ino}`,
      message: 'another version of it is being sent',
    });
  }
  file.isFrozen = true;
  try {
    await area.merge(file);
    await file.commit();
    if (file.isForgotten) return null;
    await refuseDamaged(file, area);
    if (file.isForgotten) return null;
    return freeze(file, area, cache);
  } catch (error) {
    file.isFrozen = false;
    throw error;
  }
}

/** There is one layer. What is known to be damaged is looked at once more, for a disk that was wrong for a moment. */
async function refuseDamaged(file: StagedFile, area: StagingArea): Promise<void> {
  const { top } = file;
  if (top.sums.damaged.count === 0) return;
  await top.sums.checkAgain();
  if (top.sums.damaged.count > 0) throw damageError(area, 'upload', file.ino, top.sums.damaged);
}

function freeze(file: StagedFile, area: StagingArea, cache: ContentCache): Snapshot {
  const frozen = file.top;
  const sizeBytes = area.sizeBytes(file.ino);
  area.database.transaction(() => {
    file.putRow();
    file.top = area.newLayer(file.ino, null, sizeBytes);
    file.lower = frozen;
    area.database.onRollback(() => {
      file.top = frozen;
      file.lower = null;
    });
    file.putRow();
  });
  area.disk.step('frozen');
  return new FrozenVersion(file, frozen, sizeBytes, area, cache);
}

class FrozenVersion implements Snapshot {
  readonly ino: number;
  readonly sizeBytes: number;
  readonly base: ContentRef | null;
  readonly dirty: readonly ByteRange[];
  readonly #file: StagedFile;
  readonly #layer: StagedLayer;
  readonly #area: StagingArea;
  readonly #cache: ContentCache;
  readonly #edit: EditCount = { downloadedBytes: 0 };
  #isSettled = false;

  constructor(
    file: StagedFile,
    layer: StagedLayer,
    sizeBytes: number,
    area: StagingArea,
    cache: ContentCache,
  ) {
    this.ino = file.ino;
    this.sizeBytes = sizeBytes;
    this.base = layer.base;
    this.dirty = layer.changes(sizeBytes).ranges();
    this.#file = file;
    this.#layer = layer;
    this.#area = area;
    this.#cache = cache;
  }

  get baseDownloadedBytes(): number {
    return this.#edit.downloadedBytes;
  }

  async read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.#isSettled || this.#file.isForgotten) throw this.#over();
    const base = this.base === null ? null : this.#area.lazyFile(this.base);
    const edit = this.#edit;
    const purpose = signal === undefined ? { edit } : { edit, signal };
    try {
      await readLayers([this.#layer], base, offset, target, target.length, purpose);
      await this.#check(offset, target);
    } catch (error) {
      throw this.#file.isForgotten
        ? this.#over()
        : fromDiskError(error, 'upload', this.#area.pathOf(this.ino));
    }
  }

  /** Exactly the bytes that are about to be sent. */
  async #check(offset: number, target: Uint8Array): Promise<void> {
    const end = offset + target.length;
    const damaged = await this.#layer.sums.check(offset, end, { offset, target });
    if (damaged.count === 0) return;
    if (this.#file.isForgotten) throw this.#over();
    this.#file.noteDamage(this.#layer, damaged);
    throw damageError(this.#area, 'upload', this.ino, damaged);
  }

  committed(content: ContentRef): { readonly clean: boolean } {
    const { database, index } = this.#area;
    return database.transaction(() => {
      this.#settle();
      database.onRollback(() => {
        this.#isSettled = false;
      });
      const file = this.#file;
      const layer = this.#layer;
      if (content.sizeBytes !== this.sizeBytes) {
        throw new Error(
          `"${content.key}" has ${content.sizeBytes} bytes, the version sent has ${this.sizeBytes}`,
        );
      }
      if (file.isForgotten) return { clean: true };
      const { top } = file;
      this.#leaveToCache(content, layer);
      const isClean =
        top.extents.count === 0 &&
        top.baseLimit >= content.sizeBytes &&
        this.#area.sizeBytes(this.ino) === content.sizeBytes;
      if (isClean) {
        this.#area.forgetClean(file, top);
      } else {
        index.setBase(top.id, content);
        top.base = content;
      }
      file.lower = null;
      file.isFrozen = false;
      database.onRollback(() => {
        top.base = null;
        file.lower = layer;
        file.isFrozen = true;
      });
      return { clean: isClean };
    });
  }

  async abandoned(): Promise<void> {
    this.#settle();
    this.#file.isFrozen = false;
    if (this.#file.isForgotten) return;
    await this.#area.merge(this.#file);
    this.#area.noteCommitted(this.#file);
  }

  #leaveToCache(content: ContentRef, layer: StagedLayer): void {
    const { database, index, disk } = this.#area;
    const extents = layer.extents.copy();
    extents.truncate(content.sizeBytes);
    const origin = originOf(this, content);
    const isUseful = extents.count > 0 || origin !== null;
    const isAdopted = isUseful && this.#cache.adopt(content, layer.file, extents, origin);
    if (isAdopted) database.onRollback(() => this.#cache.disown(content, layer.file));
    index.setState(layer.id, 'dropped');
    this.#area.afterDurable(async () => {
      disk.step('sent');
      this.#cache.settleAdoption(content, layer.file);
      await this.#area.removeRows(layer.id);
      if (isAdopted) await flattenOrigin(this.#cache, content);
    });
  }

  #settle(): void {
    if (this.#isSettled) throw new Error(`the version of inode ${this.ino} was settled before`);
    this.#isSettled = true;
  }

  #over(): FsError {
    return new FsError('EIO', 'upload', {
      path: this.#area.pathOf(this.ino) ?? `inode ${this.ino}`,
      message: 'the version is no longer there: the file was removed or its change discarded',
    });
  }
}
