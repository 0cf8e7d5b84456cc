// The entries of one directory in the order of their cookies, so that a page of READDIR starts with a binary search and no
// insertion or deletion moves another entry's cookie. Used by the inode index.

/** Cookies 0, 1 and 2 are the protocol's: start, "." and "..". */
export const firstCookie = 3;
export const lastCookie = 0x7fff_ffff;

export class DirectoryOrder {
  /** Entry numbers by rising cookie; -1 where one was removed. */
  #entries = new Int32Array(4);
  #cookies = new Int32Array(4);
  #length = 0;
  #live = 0;
  /** The cookie of the next new entry; only rises. */
  nextCookie = firstCookie;

  get count(): number {
    return this.#live;
  }

  /** Mostly appends. A cookie lower than the last (an undone removal) is put in its place. */
  add(cookie: number, entry: number): void {
    if (cookie >= this.nextCookie) this.nextCookie = cookie + 1;
    let at = this.#length;
    if (at > 0 && (this.#cookies[at - 1] ?? 0) >= cookie) {
      at = this.#firstAfter(cookie - 1);
      if (this.#cookies[at] === cookie && this.#entries[at] === -1) {
        this.#entries[at] = entry;
        this.#live += 1;
        return;
      }
    }
    if (this.#length === this.#entries.length) this.#resize(Math.ceil(this.#length * 1.5));
    this.#entries.copyWithin(at + 1, at, this.#length);
    this.#cookies.copyWithin(at + 1, at, this.#length);
    this.#entries[at] = entry;
    this.#cookies[at] = cookie;
    this.#length += 1;
    this.#live += 1;
  }

  remove(cookie: number): void {
    const at = this.#firstAfter(cookie - 1);
    if (this.#cookies[at] !== cookie || at >= this.#length || this.#entries[at] === -1) return;
    this.#entries[at] = -1;
    this.#live -= 1;
    if (this.#length > 16 && this.#live * 2 < this.#length) this.#compact();
  }

  /** The first entry with a cookie above `cookie`, or -1. */
  next(cookie: number): number {
    let at = this.#firstAfter(cookie);
    while (at < this.#length && this.#entries[at] === -1) at += 1;
    return at < this.#length ? (this.#entries[at] ?? -1) : -1;
  }

  /** Visits entries with a cookie above `after` in order until `visit` returns false; true when none is left. */
  visit(after: number, visit: (entry: number, cookie: number) => boolean): boolean {
    for (let at = this.#firstAfter(after); at < this.#length; at += 1) {
      const entry = this.#entries[at] ?? -1;
      if (entry !== -1 && !visit(entry, this.#cookies[at] ?? 0)) return false;
    }
    return true;
  }

  #firstAfter(cookie: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cookies[middle] ?? 0) <= cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compact(): void {
    let to = 0;
    for (let from = 0; from < this.#length; from += 1) {
      if (this.#entries[from] === -1) continue;
      this.#entries[to] = this.#entries[from] ?? -1;
      this.#cookies[to] = this.#cookies[from] ?? 0;
      to += 1;
    }
    this.#length = to;
    if (to * 3 < this.#entries.length) this.#resize(Math.max(4, Math.ceil(to * 1.25)));
  }

  #resize(length: number): void {
    const entries = new Int32Array(length);
    const cookies = new Int32Array(length);
    entries.set(this.#entries.subarray(0, this.#length));
    cookies.set(this.#cookies.subarray(0, this.#length));
    this.#entries = entries;
    this.#cookies = cookies;
  }
}
