// A column of numbers that are mostly the same in a whole page (owners, times of use, further names): it takes no memory until a row
// differs. Used by the columns of inodes and entries.

export class EvenColumn {
  readonly #make: () => Uint32Array | Int32Array;
  #common: number | null;
  #rows: Uint32Array | Int32Array | null = null;

  /** `make` gives the array for a page with rows that differ. Without `common` the first number that is set is the common one. */
  constructor(make: () => Uint32Array | Int32Array, common: number | null = null) {
    this.#make = make;
    this.#common = common;
  }

  get(row: number): number {
    return this.#rows === null ? (this.#common ?? 0) : (this.#rows[row] ?? 0);
  }

  set(row: number, value: number): void {
    if (this.#rows === null) {
      this.#common ??= value;
      if (value === this.#common) return;
      this.#rows = this.#make().fill(this.#common);
    }
    this.#rows[row] = value;
  }
}
