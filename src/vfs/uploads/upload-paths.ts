// Multisets of Hub paths that answer "does anything here overlap this path" in time proportional to its depth. Two paths
// overlap when they are equal or one lies below the other. `PathCounts` serves `isPathPending` and the order of commits;
// `HeldPaths` also says what holds a path back. Memory only.

/** The folders above `path`, nearest first, without the root. */
export function* ancestorsOf(path: string): Iterable<string> {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    yield path.slice(0, slash);
  }
}

export class PathCounts {
  readonly #own = new Map<string, number>();
  readonly #below = new Map<string, number>();

  add(path: string): void {
    bump(this.#own, path, 1);
    for (const folder of ancestorsOf(path)) bump(this.#below, folder, 1);
  }

  remove(path: string): void {
    bump(this.#own, path, -1);
    for (const folder of ancestorsOf(path)) bump(this.#below, folder, -1);
  }

  clear(): void {
    this.#own.clear();
    this.#below.clear();
  }

  /** How many of the paths overlap `path`, counting repeats. */
  overlaps(path: string): number {
    let count = (this.#own.get(path) ?? 0) + (this.#below.get(path) ?? 0);
    for (const folder of ancestorsOf(path)) count += this.#own.get(folder) ?? 0;
    return count;
  }
}

function bump(counts: Map<string, number>, path: string, by: number): void {
  const count = (counts.get(path) ?? 0) + by;
  if (count > 0) counts.set(path, count);
  else counts.delete(path);
}

/** Who holds back a path: the number of a logged operation, or the negative inode number of a file. */
export type Holder = number;

export class HeldPaths {
  readonly #own = new Map<string, Map<Holder, number>>();
  readonly #below = new Map<string, Map<Holder, number>>();

  add(path: string, holder: Holder): void {
    change(this.#own, path, holder, 1);
    for (const folder of ancestorsOf(path)) change(this.#below, folder, holder, 1);
  }

  remove(path: string, holder: Holder): void {
    change(this.#own, path, holder, -1);
    for (const folder of ancestorsOf(path)) change(this.#below, folder, holder, -1);
  }

  /** Any holder of a path that overlaps `path`, or null. */
  holderOf(path: string): Holder | null {
    const near = firstOf(this.#own.get(path)) ?? firstOf(this.#below.get(path));
    if (near !== null) return near;
    for (const folder of ancestorsOf(path)) {
      const holder = firstOf(this.#own.get(folder));
      if (holder !== null) return holder;
    }
    return null;
  }
}

function change(index: Map<string, Map<Holder, number>>, path: string, holder: Holder, by: number): void {
  let holders = index.get(path);
  if (holders === undefined) index.set(path, (holders = new Map()));
  const count = (holders.get(holder) ?? 0) + by;
  if (count > 0) holders.set(holder, count);
  else holders.delete(holder);
  if (holders.size === 0) index.delete(path);
}

function firstOf(holders: ReadonlyMap<Holder, number> | undefined): Holder | null {
  if (holders === undefined) return null;
  for (const holder of holders.keys()) return holder;
  return null;
}
