// Random operations against the real file system over an in-memory Hub and against a plain model, with restarts, kills,
// refreshes, other clients' edits and a Hub that fails now and then; in the end the Hub must equal the model. HUBDRIVE_MODEL_SEED and HUBDRIVE_MODEL_STEPS
// repeat or lengthen a run.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { HubError } from '../../src/hub/remote-store.ts';
import { isLocalOnlyName } from '../../src/vfs/namespace/local-names.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { ModelError, ModelFileSystem, modelNode } from '../support/model-file-system.ts';
import { randomOf } from '../support/random.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';

const seeds = process.env['HUBDRIVE_MODEL_SEED']?.split(',').map(Number) ?? [1, 2, 3, 4, 5, 6, 36];
const steps = Number(process.env['HUBDRIVE_MODEL_STEPS'] ?? 350);
const names = ['a', 'b', 'c', 'dir', 'Sub', 'naïve', '.DS_Store', '._a', '.nfs000000000000abcd00000001'];

class Run {
  readonly #h: FsHarness;
  readonly #model = new ModelFileSystem();
  readonly #random: () => number;
  readonly #dirty = new Set<string>();
  readonly trace: string[] = [];

  constructor(h: FsHarness, random: () => number) {
    this.#h = h;
    this.#random = random;
  }

  seedHub(): void {
    for (const path of ['a', 'dir/b', 'dir/Sub/c', 'dir/Sub/naïve', 'Sub/a/a']) {
      const segments = path.split('/');
      for (let depth = 1; depth < segments.length; depth += 1) {
        const above = segments.slice(0, depth).join('/');
        if (this.#model.find(above) === null) this.#model.add(above, modelNode('directory'));
      }
      this.#model.add(path, modelNode('file', `first ${path}`));
      this.#h.remote.put(path, `first ${path}`);
    }
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.#random() * choices.length)];
    if (choice === undefined) throw new Error('nothing to choose from');
    return choice;
  }

  /** Mostly paths that exist or whose folder does. */
  #path(): string {
    const existing = [...this.#model.walk()];
    if (existing.length > 0 && this.#random() < 0.6) return this.#pick(existing)[0];
    const folders = [
      '',
      ...existing.filter(([, node]) => node.type === 'directory').map(([path]) => `${path}/`),
    ];
    return this.#pick(folders) + this.#pick(names);
  }

  async #both(what: string, model: () => void, real: () => Promise<unknown>): Promise<void> {
    this.trace.push(what);
    const expected = await outcome(async () => model());
    assert.equal(await outcome(real), expected, what);
  }

  async step(): Promise<void> {
    const h = this.#h;
    const model = this.#model;
    const path = this.#path();
    const other = this.#path();
    const dice = this.#random();
    if (dice < 0.14) {
      await this.#both(
        `create ${path}`,
        () => model.create(path),
        () => h.create(path),
      );
      this.#dirty.add(path);
    } else if (dice < 0.32) {
      const offset = Math.floor(this.#random() * 40);
      const data = Buffer.from(`<${this.trace.length}>`.repeat(1 + Math.floor(this.#random() * 4)));
      await this.#both(
        `write ${path} at ${offset}`,
        () => model.write(path, offset, data),
        async () => h.fs.write(await h.ino(path), offset, data),
      );
      if (this.#random() < 0.5) await this.#commit(path);
    } else if (dice < 0.37) {
      const sizeBytes = Math.floor(this.#random() * 60);
      await this.#both(
        `truncate ${path} to ${sizeBytes}`,
        () => model.truncate(model.file(path), sizeBytes),
        async () => h.fs.setAttributes(await h.ino(path), { sizeBytes }, owner),
      );
    } else if (dice < 0.45)
      await this.#both(
        `mkdir ${path}`,
        () => model.add(path, modelNode('directory')),
        () => h.mkdir(path),
      );
    else if (dice < 0.52)
      await this.#both(
        `remove ${path}`,
        () => model.remove(path),
        () => h.remove(path),
      );
    else if (dice < 0.56)
      await this.#both(
        `rmdir ${path}`,
        () => model.removeDirectory(path),
        () => h.rmdir(path),
      );
    else if (dice < 0.74)
      await this.#both(
        `rename ${path} ${other}`,
        () => model.rename(path, other),
        () => h.rename(path, other),
      );
    else if (dice < 0.78)
      await this.#both(
        `link ${path} ${other}`,
        () => model.link(path, other),
        () => h.link(path, other),
      );
    else if (dice < 0.8) {
      const node = { ...modelNode('symlink'), target: other === '' ? 'x' : other };
      await this.#both(
        `symlink ${path}`,
        () => model.add(path, node),
        () => h.symlink(path, node.target),
      );
    } else if (dice < 0.82) {
      const mode = Math.floor(this.#random() * 0o1000);
      await this.#both(
        `chmod ${path}`,
        () => {
          model.node(path).mode = mode;
        },
        async () => h.fs.setAttributes(await h.ino(path), { mode }, owner),
      );
    } else if (dice < 0.86) await this.#readOne(path);
    else if (dice < 0.89) await this.#sleep();
    else if (dice < 0.91) await this.#flush();
    else if (dice < 0.93) await this.#refresh();
    else if (dice < 0.95) await this.#otherClient();
    else if (dice < 0.97) await this.#restart('restart');
    else if (dice < 0.985) await this.#restart('crash');
    else if (dice < 0.992) this.#fault();
    else await this.compare();
  }

  async #commit(path: string): Promise<void> {
    const node = this.#model.find(path);
    if (node?.type === 'file') await this.#h.fs.commit(await this.#h.ino(path));
  }

  async #readOne(path: string): Promise<void> {
    let text = '';
    await this.#both(
      `read ${path}`,
      () => {
        text = this.#model.file(path).bytes.toString();
      },
      async () => {
        const { ino } = await this.#h.lookup(path);
        await this.#h.fs.read(ino, 0, new Uint8Array(1));
        assert.equal(await this.#h.read(path), text);
      },
    );
  }

  async #sleep(): Promise<void> {
    const ms = Math.floor(this.#random() * 20_000);
    this.trace.push(`sleep ${ms}`);
    await this.#h.clock.advanceAsync(ms);
  }

  /** The next calls fail, in ways that pass by themselves and in others. */
  #fault(): void {
    const method = this.#pick(['commit', 'upload', 'stat', 'list', 'probe'] as const);
    const code = this.#pick(['network', 'server', 'timeout', 'rate-limited', 'unauthorized'] as const);
    const count = 1 + Math.floor(this.#random() * 3);
    this.trace.push(`${method} fails ${count} times with ${code}`);
    const error = hubError(code, code !== 'unauthorized');
    if (method === 'commit' && this.#random() < 0.5) this.#h.remote.loseReplies(count, error);
    else this.#h.remote.fail(method, error, count);
  }

  async #flush(): Promise<void> {
    this.trace.push('flush');
    // Each failure ends a flush; the work goes on being tried.
    for (let attempt = 1; ; attempt += 1) {
      const sent = await outcome(() => this.#h.flush());
      if (sent === 'ok') break;
      assert.ok(sent === 'EIO' && attempt < 20, `flush: ${sent}`);
    }
    assert.deepEqual(this.#hub(), this.#model.hubFiles());
  }

  async #refresh(): Promise<void> {
    this.trace.push('refresh');
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#h.refresh();
        break;
      } catch (error) {
        if (!(error instanceof HubError) || attempt > 20) throw error;
      }
    }
    await this.compare();
  }

  async #restart(how: 'restart' | 'crash'): Promise<void> {
    this.trace.push(how);
    for (const [path] of this.#model.walk()) await this.#commit(path);
    await this.#h[how]();
    await this.compare();
  }

  /** With nothing pending, another client adds, changes or deletes a file; it must appear here and stay. */
  async #otherClient(): Promise<void> {
    await this.#flush();
    const files = [...this.#model.walk()].filter(
      ([path, node]) => node.type === 'file' && !path.split('/').some(isLocalOnlyName),
    );
    const folders = [...this.#model.hubFiles().keys()].map((path) =>
      path.slice(0, path.lastIndexOf('/') + 1),
    );
    const chosen =
      files.length > 0 && this.#random() < 0.7
        ? this.#pick(files)[0]
        : `${this.#pick(['', ...folders])}theirs`;
    const { directory, name } = this.#model.parent(chosen);
    const existing = directory.children.get(name);
    if (existing !== undefined && existing.type !== 'file') return;
    const siblings = files.filter(
      ([path]) => path.slice(0, path.lastIndexOf('/')) === chosen.slice(0, chosen.lastIndexOf('/')),
    );
    if (existing !== undefined && siblings.length > 1 && this.#random() < 0.4) {
      this.trace.push(`other client deletes ${chosen}`);
      this.#h.remote.delete(chosen);
      directory.children.delete(name);
      existing.links -= 1;
    } else {
      const text = `theirs ${this.trace.length}`;
      this.trace.push(`other client writes ${chosen}`);
      this.#h.remote.put(chosen, text);
      if (existing?.links === 1) {
        existing.bytes = Buffer.from(text);
      } else {
        if (existing !== undefined) existing.links -= 1;
        directory.children.set(name, modelNode('file', text));
      }
    }
    await this.#refresh();
  }

  #hub(): Map<string, string> {
    return new Map(this.#h.remote.paths().map((path) => [path, this.#h.remote.text(path) ?? '']));
  }

  /** Everything that can be seen is the same. */
  async compare(): Promise<void> {
    const h = this.#h;
    await this.#compareFolder('');
    for (const [path, node] of this.#model.walk()) {
      const attributes = await h.lookup(path);
      node.ino ??= attributes.ino;
      const seen = { path, type: attributes.type, ino: attributes.ino, mode: attributes.mode };
      assert.deepEqual(seen, { path, type: node.type, ino: node.ino, mode: node.mode });
      if (node.type === 'directory') await this.#compareFolder(path);
      else assert.equal(attributes.nlink, node.links, path);
      if (node.type === 'file') assert.equal(await h.read(path), node.bytes.toString(), path);
      if (node.type === 'symlink') assert.equal(h.fs.readLink(attributes.ino), node.target);
    }
  }

  async #compareFolder(path: string): Promise<void> {
    const directory = await this.#h.ino(path);
    const entries: string[] = [];
    let last = 2;
    await this.#h.fs.readDirectory(directory, 0, (name, _ino, cookie) => {
      assert.ok(cookie > last);
      last = cookie;
      entries.push(name);
      return true;
    });
    assert.deepEqual(
      entries.sort(),
      [...this.#model.node(path).children.keys()].sort(),
      `names in "${path}"`,
    );
  }

  async finish(): Promise<void> {
    await this.compare();
    await this.#flush();
    await this.#refresh();
    await this.#restart('restart');
    assert.deepEqual(this.#h.fs.uploads.pending(), []);
  }
}

async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'ok';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    if (error instanceof Error && error.name === 'FsError' && 'code' in error) return String(error.code);
    throw error;
  }
}

async function runSeed(t: TestContext, seed: number): Promise<void> {
  const h = await FsHarness.open(t, new MemoryRemoteStore({ pageSize: 2, events: seed % 2 === 0 }));
  const run = new Run(h, randomOf(seed));
  run.seedHub();
  try {
    for (let step = 0; step < steps; step += 1) await run.step();
    await run.finish();
  } catch (error) {
    t.diagnostic(`seed ${seed}, step ${run.trace.length}; the last: ${run.trace.slice(-25).join(' | ')}`);
    throw error;
  }
}

for (const seed of seeds) {
  test(`random work on the mount equals a plain file system and the Hub ends equal (seed ${seed})`, (t) =>
    runSeed(t, seed));
}
