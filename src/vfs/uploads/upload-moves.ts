// Undoes logged moves: where the Hub has now what will be at a path once the log is done. Memory only; owned by the log.

import { ancestorsOf } from './upload-paths.ts';

interface Move {
  readonly seq: number;
  readonly from: string;
  readonly to: string;
  readonly tree: boolean;
  /** A tree in its second phase: everything is at `to` already, `from` is being emptied. */
  deleting: boolean;
}

export class MoveMap {
  readonly #byTo = new Map<string, Move[]>();
  readonly #byFrom = new Map<string, Move[]>();

  /** Numbers come in rising order. */
  add(seq: number, from: string, to: string, tree: boolean, deleting: boolean): void {
    const move = { seq, from, to, tree, deleting };
    append(this.#byTo, to, move);
    append(this.#byFrom, from, move);
  }

  remove(seq: number, from: string, to: string): void {
    drop(this.#byTo, to, seq);
    drop(this.#byFrom, from, seq);
  }

  setDeleting(seq: number, to: string): void {
    for (const move of this.#byTo.get(to) ?? []) if (move.seq === seq) move.deleting = true;
  }

  pathNow(path: string): string {
    if (this.#byTo.size === 0) return path;
    let now = path;
    for (let before = Infinity; ;) {
      const arrival = newestTouching(this.#byTo, now, before);
      if (arrival === null) return now;
      const departure = newestTouching(this.#byFrom, now, before);
      // What is at the path in the end was made there after the departure; the Hub has none of it yet.
      if (departure !== null && departure.seq > arrival.seq) return now;
      if (!arrival.deleting) now = arrival.from + now.slice(arrival.to.length);
      before = arrival.seq;
    }
  }
}

function newestTouching(
  index: ReadonlyMap<string, readonly Move[]>,
  path: string,
  before: number,
): Move | null {
  let newest = lastBefore(index.get(path), before, false);
  for (const folder of ancestorsOf(path)) {
    const move = lastBefore(index.get(folder), before, true);
    if (move !== null && (newest === null || move.seq > newest.seq)) newest = move;
  }
  return newest;
}

function lastBefore(moves: readonly Move[] | undefined, before: number, treesOnly: boolean): Move | null {
  return moves?.findLast((move) => move.seq < before && (move.tree || !treesOnly)) ?? null;
}

function append(index: Map<string, Move[]>, path: string, move: Move): void {
  const moves = index.get(path);
  if (moves === undefined) index.set(path, [move]);
  else moves.push(move);
}

function drop(index: Map<string, Move[]>, path: string, seq: number): void {
  const moves = index.get(path);
  const at = moves?.findIndex((move) => move.seq === seq) ?? -1;
  if (moves === undefined || at < 0) return;
  if (moves.length === 1) index.delete(path);
  else moves.splice(at, 1);
}
