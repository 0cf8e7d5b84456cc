// A set of numbered things ordered by when they are due: a binary heap in which an outdated entry is skipped when it comes
// up. Used by the upload files.

interface Entry {
  readonly id: number;
  readonly at: number;
}

export class DueTimes {
  readonly #current = new Map<number, Entry>();
  #heap: Entry[] = [];

  set(id: number, at: number): void {
    const known = this.#current.get(id);
    if (known?.at === at) return;
    const entry = { id, at };
    this.#current.set(id, entry);
    // Outdated entries may not pile up: at most as many as valid ones.
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#current.size) this.#rebuild();
    else this.#push(entry);
  }

  delete(id: number): void {
    this.#current.delete(id);
  }

  first(): Entry | null {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return null;
      if (this.#current.get(top.id) === top) return top;
      this.#pop();
    }
  }

  #rebuild(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => a.at - b.at);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || parent.at <= entry.at) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const leftIndex = 2 * index + 1;
      const left = heap[leftIndex];
      if (left === undefined) break;
      const right = heap[leftIndex + 1];
      const childIndex = right !== undefined && right.at < left.at ? leftIndex + 1 : leftIndex;
      const child = heap[childIndex];
      if (child === undefined || child.at >= last.at) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
  }
}
