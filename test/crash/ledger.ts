// What a program may expect of the mount after everything that it did: names, contents with what a crash may leave of
// them, and every whole version there ever was. Pure memory; crash-world.ts compares it with mount and Hub.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ContentHistory, resized } from '../support/content-history.ts';

export class LedgerFile {
  readonly id: number;
  /** Null until a reply or a LOOKUP told it. */
  handle: Uint8Array | null = null;
  /** Of the last unstable WRITE: a COMMIT with another one acknowledges nothing. */
  writeVerifier: string | null = null;
  readonly content: ContentHistory;
  readonly #versions: Set<string>;

  constructor(id: number, versions: Set<string>) {
    this.id = id;
    this.content = new ContentHistory(Buffer.alloc(0));
    this.#versions = versions;
    this.#noteVersion();
  }

  get bytes(): Buffer {
    return this.content.bytes;
  }

  /** Sent, perhaps not done. */
  write(offset: number, data: Buffer): void {
    this.content.write(offset, data);
    this.#noteVersion();
  }

  truncate(sizeBytes: number): void {
    this.content.change(resized(this.bytes, sizeBytes));
    this.#noteVersion();
  }

  /** Unstable bytes may be lost all the same. */
  acknowledgeTruncate(sizeBytes: number): void {
    this.content.history = this.content.history.map((bytes) => resized(bytes, sizeBytes));
  }

  acknowledge(bytes: Buffer): void {
    this.content.acknowledge(bytes);
  }

  acceptAfterCrash(found: Buffer): void {
    const sizes = new Set(this.content.history.map((bytes) => bytes.length));
    assert.ok(sizes.has(found.length), `${found.length} bytes, but it had ${[...sizes].join(' or ')}`);
    this.content.acceptAfterCrash(found);
    this.#noteVersion();
  }

  #noteVersion(): void {
    this.#versions.add(digestOf(this.bytes));
  }
}

export class LedgerFolder {
  handle: Uint8Array | null = null;
}

export interface Names {
  readonly files: ReadonlyMap<string, LedgerFile>;
  readonly folders: ReadonlyMap<string, LedgerFolder>;
}

export class Ledger {
  names: Names = { files: new Map(), folders: new Map() };
  /** What the names are if the operation that the crash cut off was done. */
  uncertain: Names | null = null;
  /** Files that lost their last name: their handles must be stale. */
  readonly gone = new Set<LedgerFile>();
  /** Digests of every whole content any file ever had: nothing else may be seen on the Hub. */
  readonly versions = new Set<string>();
  #nextId = 1;

  newFile(): LedgerFile {
    return new LedgerFile(this.#nextId++, this.versions);
  }

  file(path: string): LedgerFile {
    return this.names.files.get(path) ?? assert.fail(`the ledger has no file "${path}"`);
  }

  /** After a restart: `seen` must be the names before the operation that was cut off or those after it, nothing between. */
  settle(seen: { readonly files: ReadonlySet<string>; readonly folders: ReadonlySet<string> }): void {
    const { uncertain } = this;
    this.uncertain = null;
    const found = describeNames(seen.files, seen.folders);
    if (uncertain !== null && describeNames(uncertain.files.keys(), uncertain.folders.keys()) === found) {
      this.adopt(uncertain);
      return;
    }
    assert.equal(
      found,
      describeNames(this.names.files.keys(), this.names.folders.keys()),
      'names after the restart',
    );
  }

  adopt(names: Names): void {
    const kept = new Set(names.files.values());
    for (const file of this.names.files.values()) if (!kept.has(file)) this.gone.add(file);
    this.names = names;
  }
}

export function added(names: Names, path: string, file: LedgerFile): Names {
  return { ...names, files: new Map([...names.files, [path, file]]) };
}

export function removed(names: Names, path: string): Names {
  return { ...names, files: new Map([...names.files].filter(([each]) => each !== path)) };
}

export function withFolder(names: Names, path: string, folder: LedgerFolder): Names {
  return { ...names, folders: new Map([...names.folders, [path, folder]]) };
}

/** Files and folders; what is at `to` is replaced. */
export function renamed(names: Names, from: string, to: string): Names {
  const move = (path: string): string =>
    path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : path;
  const files = new Map([...names.files].filter(([path]) => path !== to || names.folders.has(from)));
  return {
    files: new Map([...files].map(([path, file]) => [move(path), file])),
    folders: new Map([...names.folders].map(([path, folder]) => [move(path), folder])),
  };
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function describeNames(files: Iterable<string>, folders: Iterable<string>): string {
  return [...[...files].map((path) => `file ${path}`), ...[...folders].map((path) => `folder ${path}`)]
    .sort()
    .join('\n');
}
