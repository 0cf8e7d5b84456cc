// An open-addressed hash table of slot numbers, cut into shards so that growing one never stalls a turn, used by the inode
// index. The slots' keys live in the owner's columns; this holds 4 bytes a place and no keys.

const shardCount = 64;
const shardShift = 26;
const emptyPlace = -1;
const removedPlace = -2;

interface Shard {
  places: Int32Array;
  used: number;
  live: number;
}

export class SlotTable {
  readonly #shards: Shard[];
  readonly #hashOf: (slot: number) => number;

  /** `hashOf` gives the unsigned 32-bit hash of a slot that is in the table; it must not change while it is. */
  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf;
    this.#shards = Array.from({ length: shardCount }, () => newShard(8));
  }

  add(hash: number, slot: number): void {
    const shard = this.#shardOf(hash);
    if ((shard.used + 1) * 3 > shard.places.length * 2) this.#rebuild(shard);
    place(shard, hash, slot);
  }

  /** The slot must be in the table. */
  remove(hash: number, slot: number): void {
    const shard = this.#shardOf(hash);
    const mask = shard.places.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const found = shard.places[at];
      if (found === slot) {
        shard.places[at] = removedPlace;
        shard.live -= 1;
        return;
      }
      if (found === emptyPlace || found === undefined) return;
    }
  }

  /** The slot of this hash with the highest positive `score`, or -1. A score of 3 ends the search. */
  find(hash: number, score: (slot: number) => number): number {
    const shard = this.#shardOf(hash);
    const mask = shard.places.length - 1;
    let best = -1;
    let bestScore = 0;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = shard.places[at];
      if (slot === emptyPlace || slot === undefined) return best;
      if (slot === removedPlace) continue;
      const points = score(slot);
      if (points === 3) return slot;
      if (points > bestScore) {
        best = slot;
        bestScore = points;
      }
    }
  }

  #shardOf(hash: number): Shard {
    const shard = this.#shards[hash >>> shardShift];
    if (shard === undefined) throw new RangeError(`no hash: ${hash}`);
    return shard;
  }

  #rebuild(shard: Shard): void {
    const old = shard.places;
    let length = 8;
    while (length < shard.live * 2 + 2) length *= 2;
    const fresh = newShard(length);
    for (const slot of old) if (slot >= 0) place(fresh, this.#hashOf(slot), slot);
    shard.places = fresh.places;
    shard.used = fresh.used;
    shard.live = fresh.live;
  }
}

function newShard(length: number): Shard {
  return { places: new Int32Array(length).fill(emptyPlace), used: 0, live: 0 };
}

function place(shard: Shard, hash: number, slot: number): void {
  const mask = shard.places.length - 1;
  let at = hash & mask;
  while ((shard.places[at] ?? emptyPlace) !== emptyPlace) at = (at + 1) & mask;
  shard.places[at] = slot;
  shard.used += 1;
  shard.live += 1;
}
