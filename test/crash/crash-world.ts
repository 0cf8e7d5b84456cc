// An engine process over a data directory, the embedded Hub, and an NFS client that remembers what was acknowledged. Does what
// programs do, survives the engine's death, and compares mount and Hub with what was promised. Used by the crash tests.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startLocalHub, type LocalHub } from '../../src/hub-local/local-hub.ts';
import { Nfs3Client, NfsFailure } from '../support/nfs-client.ts';
import { EngineChild, EngineDied } from './engine-child.ts';
import type { EngineConfig } from './engine-process.ts';
import type { KillPoint, ToldEvent } from './engine-protocol.ts';
import {
  added,
  digestOf,
  Ledger,
  LedgerFolder,
  removed,
  renamed,
  withFolder,
  type LedgerFile,
  type Names,
} from './ledger.ts';

export const bucket = 'demo/crash';
const exportPath = '/crash';

/** The engine died under an operation. */
export class Killed extends Error {}

export class CrashWorld {
  readonly folder: string;
  readonly hub: LocalHub;
  readonly ledger = new Ledger();
  engine: EngineChild;
  client: Nfs3Client;
  root: Uint8Array;
  readonly #config: EngineConfig;
  readonly #forgotten: string[] = [];
  /** Digest by content hash of the Hub. */
  readonly #digests = new Map<string, string>();

  private constructor(
    folder: string,
    hub: LocalHub,
    config: EngineConfig,
    engine: EngineChild,
    client: Nfs3Client,
    root: Uint8Array,
  ) {
    this.folder = folder;
    this.hub = hub;
    this.#config = config;
    this.engine = engine;
    this.client = client;
    this.root = root;
  }

  static async open(): Promise<CrashWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'crash-world-'));
    const hub = await startLocalHub({ dataDir: join(folder, 'hub') });
    hub.content.createBucket(bucket);
    const config: EngineConfig = {
      dataDir: join(folder, 'data'),
      cacheDir: join(folder, 'cache'),
      endpoint: hub.endpoint,
      source: `bucket/${bucket}`,
      port: 0,
      exportPath,
      handleKey: '07'.repeat(32),
      compileCacheDir: join(folder, 'compiled'),
    };
    const engine = await EngineChild.start(config, hub.token);
    const client = await Nfs3Client.connect({ port: engine.port });
    const root = await client.mount(exportPath);
    return new CrashWorld(folder, hub, { ...config, port: engine.port }, engine, client, root);
  }

  get dataDir(): string {
    return this.#config.dataDir;
  }

  get cacheDir(): string {
    return this.#config.cacheDir;
  }

  async dispose(): Promise<void> {
    await this.client.close();
    await this.engine.kill();
    await this.hub.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  // ---- what programs do ------------------------------------------------------------------------------------------------

  async mkdir(path: string): Promise<void> {
    const made = new LedgerFolder();
    await this.#change(withFolder(this.ledger.names, path, made), async () => {
      const { folder, name } = await this.#split(path);
      made.handle = await this.client.mkdir(folder, name);
    });
  }

  async create(path: string): Promise<LedgerFile> {
    const file = this.ledger.newFile();
    await this.#change(added(this.ledger.names, path, file), async () => {
      const { folder, name } = await this.#split(path);
      file.handle = await this.client.create(folder, name, { guarded: true });
    });
    return file;
  }

  async write(file: LedgerFile, offset: number, data: Buffer, stable: 0 | 1 | 2 = 0): Promise<void> {
    file.write(offset, data);
    const { bytes } = file;
    const { verf, committed } = await this.#ask(() =>
      this.client.write(handleOf(file), offset, data, stable),
    );
    assert.ok(committed >= stable, 'WRITE promises at least what was asked');
    if (committed > 0) file.acknowledge(bytes);
    else file.writeVerifier = Buffer.from(verf).toString('hex');
  }

  async commit(file: LedgerFile): Promise<void> {
    const { bytes } = file;
    const { verf } = await this.#ask(() => this.client.commit(handleOf(file)));
    if (file.writeVerifier === null || Buffer.from(verf).toString('hex') === file.writeVerifier) {
      file.acknowledge(bytes);
    }
  }

  async truncate(file: LedgerFile, sizeBytes: number): Promise<void> {
    file.truncate(sizeBytes);
    await this.#ask(() => this.client.setattr(handleOf(file), { size: sizeBytes }));
    file.acknowledgeTruncate(sizeBytes);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#change(renamed(this.ledger.names, from, to), async () => {
      const source = await this.#split(from);
      const target = await this.#split(to);
      await this.client.rename(source.folder, source.name, target.folder, target.name);
    });
  }

  async unlink(path: string): Promise<void> {
    await this.#change(removed(this.ledger.names, path), async () => {
      const { folder, name } = await this.#split(path);
      await this.client.remove(folder, name);
    });
  }

  /** A file whose content is on this disk. */
  async store(path: string, data: Buffer): Promise<LedgerFile> {
    const file = await this.create(path);
    await this.write(file, 0, data);
    await this.commit(file);
    return file;
  }

  async flush(): Promise<void> {
    await this.#ask(() => this.engine.order({ type: 'flush' }));
  }

  async settle(): Promise<void> {
    await this.#ask(() => this.engine.order({ type: 'settle' }));
  }

  /** Looks for changes on the Hub. */
  async refresh(): Promise<void> {
    await this.#ask(() => this.engine.order({ type: 'refresh' }));
  }

  async arm(killAt: KillPoint | null): Promise<void> {
    await this.#ask(() => this.engine.order({ type: 'arm', killAt }));
  }

  async survey(): Promise<ReadonlyMap<string, number>> {
    return new Map(Object.entries((await this.engine.order({ type: 'survey' })) as Record<string, number>));
  }

  async events(): Promise<readonly ToldEvent[]> {
    return (await this.engine.order({ type: 'events' })) as ToldEvent[];
  }

  /** One change of names: if the engine dies under it, it happened or it did not. */
  async #change(after: Names, work: () => Promise<void>): Promise<void> {
    this.ledger.uncertain = after;
    await this.#ask(work);
    this.ledger.adopt(after);
    this.ledger.uncertain = null;
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const isCut =
        cause instanceof EngineDied ||
        (cause instanceof Error && /connection|ECONNRESET|EPIPE/i.test(cause.message));
      if (cause instanceof NfsFailure || !isCut) throw cause;
      const ended = await Promise.race([this.engine.ended, delay(10_000, 'alive', { ref: false })]);
      if (ended === 'alive') throw cause;
      throw new Killed('the engine died', { cause });
    }
  }

  async #split(path: string): Promise<{ folder: Uint8Array; name: string }> {
    const slash = path.lastIndexOf('/');
    return {
      folder: await this.#folderHandle(path.slice(0, Math.max(0, slash))),
      name: path.slice(slash + 1),
    };
  }

  async #folderHandle(path: string): Promise<Uint8Array> {
    if (path === '') return this.root;
    const folder = this.ledger.names.folders.get(path) ?? assert.fail(`the ledger has no folder "${path}"`);
    folder.handle ??= await this.client.walk(this.root, path);
    return folder.handle;
  }

  // ---- after a crash ---------------------------------------------------------------------------------------------------

  /** Starts the engine again on what it left, at the same port. */
  async recover(): Promise<void> {
    assert.equal(await this.engine.ended, 'SIGKILL');
    await this.client.close();
    await this.checkHubVersions();
    await this.restart();
  }

  /** With `killAt`, rejects with Killed where that is reached while it opens or while old handles are read. */
  async restart(killAt: KillPoint | null = null): Promise<void> {
    try {
      this.engine = await EngineChild.start(this.#config, this.hub.token, killAt);
    } catch (cause) {
      if (killAt !== null && cause instanceof EngineDied) throw new Killed('the engine died', { cause });
      throw cause;
    }
    this.client = await Nfs3Client.connect({ port: this.engine.port });
  }

  /** Names, contents through old handles and through LOOKUP; `below` bounds what is looked at. */
  async checkMount(below: string): Promise<void> {
    const seen = { files: new Set<string>(), folders: new Set<string>() };
    const within = (path: string): boolean => path === below || path.startsWith(`${below}/`);
    for (const path of this.ledger.names.files.keys()) if (!within(path)) seen.files.add(path);
    for (const path of this.ledger.names.folders.keys()) if (!within(path)) seen.folders.add(path);
    await this.#collect(below, seen);
    this.ledger.settle(seen);
    for (const [path, file] of this.ledger.names.files) if (within(path)) await this.#checkFile(path, file);
    for (const [path, folder] of this.ledger.names.folders)
      if (within(path)) await this.#checkFolder(path, folder);
    for (const file of this.ledger.gone) await this.#checkGone(file);
  }

  /** Some files only, through old handles and through LOOKUP. */
  async checkFiles(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#checkFile(path, this.ledger.file(path));
  }

  async #collect(path: string, seen: { files: Set<string>; folders: Set<string> }): Promise<void> {
    const handle = await this.client.walk(this.root, path);
    seen.folders.add(path);
    for (const name of await this.client.list(handle)) {
      const child = `${path}/${name}`;
      const { type } = await this.client.getattr(await this.client.lookup(handle, name));
      if (type === 2) await this.#collect(child, seen);
      else seen.files.add(child);
    }
  }

  async #checkFolder(path: string, folder: LedgerFolder): Promise<void> {
    const byName = await this.client.walk(this.root, path);
    folder.handle ??= byName;
    assert.deepEqual(Buffer.from(byName), Buffer.from(folder.handle), `the handle of "${path}" is the same`);
    await this.client.getattr(folder.handle);
  }

  async #checkFile(path: string, file: LedgerFile): Promise<void> {
    const byName = await this.client.walk(this.root, path);
    file.handle ??= byName;
    assert.deepEqual(Buffer.from(byName), Buffer.from(file.handle), `the handle of "${path}" is the same`);
    const found = await this.client.readAll(file.handle);
    const { size } = await this.client.getattr(file.handle);
    assert.equal(Number(size), found.length);
    try {
      file.acceptAfterCrash(found);
    } catch (cause) {
      throw new Error(`"${path}" is not as it was promised`, { cause });
    }
  }

  async #checkGone(file: LedgerFile): Promise<void> {
    if (file.handle === null) return;
    const answer = await this.client.call('GETATTR', { object: file.handle });
    assert.equal(answer.ok ? 'OK' : answer.status, 70, 'a removed file is stale');
  }

  // ---- the Hub -------------------------------------------------------------------------------------------------------

  /** At any moment, whatever is on the Hub is one whole version of some file. */
  async checkHubVersions(): Promise<void> {
    for (const { path, xetHash } of this.hub.content.listFiles(bucket)) {
      const digest = await this.#digestOf(xetHash);
      assert.ok(this.ledger.versions.has(digest), `"${path}" on the Hub was never a whole version of a file`);
    }
  }

  /** Everything was sent: the Hub has exactly the files of the ledger with their contents. */
  async checkHub(): Promise<void> {
    const hub = new Map<string, string>();
    for (const { path, xetHash } of this.hub.content.listFiles(bucket)) {
      if (!this.#forgotten.some((prefix) => path.startsWith(prefix)))
        hub.set(path, await this.#digestOf(xetHash));
    }
    const expected = [...this.ledger.names.files].map(([path, { bytes }]) => `${path} ${digestOf(bytes)}`);
    assert.deepEqual([...hub].map(([path, digest]) => `${path} ${digest}`).sort(), expected.sort());
  }

  /** Another client's version; the mount hears of it when it hears of it. */
  async putTheirs(path: string, bytes: Buffer): Promise<void> {
    this.ledger.versions.add(digestOf(bytes));
    await this.hub.content.putFile(bucket, path, bytes);
  }

  /** Path to digest of every file on the Hub below `folder`. */
  async hubDigests(folder: string): Promise<Map<string, string>> {
    const digests = new Map<string, string>();
    for (const { path, xetHash } of this.hub.content.listFiles(bucket)) {
      if (path.startsWith(`${folder}/`)) digests.set(path, await this.#digestOf(xetHash));
    }
    return digests;
  }

  /** The same as the mount shows it; one level. */
  async mountDigests(folder: string): Promise<Map<string, string>> {
    const handle = await this.client.walk(this.root, folder);
    const digests = new Map<string, string>();
    for (const name of (await this.client.list(handle)).sort()) {
      const bytes = await this.client.readAll(await this.client.lookup(handle, name));
      digests.set(`${folder}/${name}`, digestOf(bytes));
    }
    return digests;
  }

  /** Takes a folder out of the comparison with ledger, mount and Hub. */
  forget(folder: string): void {
    this.#forgotten.push(`${folder}/`);
    const kept = (path: string): boolean => !path.startsWith(`${folder}/`);
    const { files, folders } = this.ledger.names;
    this.ledger.names = {
      files: new Map([...files].filter(([path]) => kept(path))),
      folders: new Map([...folders].filter(([path]) => path !== folder)),
    };
  }

  async #digestOf(xetHash: string): Promise<string> {
    const known = this.#digests.get(xetHash);
    if (known !== undefined) return known;
    const digest = digestOf(await this.hub.content.readContent(xetHash));
    this.#digests.set(xetHash, digest);
    return digest;
  }
}

function handleOf(file: LedgerFile): Uint8Array {
  return file.handle ?? assert.fail('the file has no handle yet');
}
