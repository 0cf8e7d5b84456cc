// Reconstruction plans: which ranges of which xorbs make a range of a file, as the CAS tells (v2, or v1 where a CAS has
// only that). Parses and checks the answers, and keeps recent plans until their signed URLs may have expired. Xet
// specification, "Reconstruction API".

import { hashFromHex } from '../xet/hash.ts';
import { chunkMaxBytes } from '../xet/chunker.ts';
import { AnswerReader, type JsonObject } from './json-answer.ts';

/** Chunks `[chunkStart, chunkEnd)` of a xorb stand at `[fileStart, fileEnd)` of the file. */
export interface PlanTerm {
  readonly xorb: string;
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly fileStart: number;
  readonly fileEnd: number;
}

/** One download. The URL is signed for exactly these bytes: asking for others is refused. */
export interface PlanFetch {
  readonly xorb: string;
  readonly url: string;
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly byteStart: number;
  /** Exclusive. */
  readonly byteEnd: number;
  /** Terms whose chunks all lie in this download. */
  readonly terms: readonly PlanTerm[];
}

export interface ReconstructionPlan {
  /** All terms, in file order. */
  readonly terms: readonly PlanTerm[];
  readonly fetches: readonly PlanFetch[];
}

interface FetchRange {
  readonly url: string;
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly byteStart: number;
  readonly byteEnd: number;
}

/** `start` is the first byte asked for. Throws `HubError` "server" for an answer that cannot be. */
export function parsePlan(value: unknown, start: number, what: string): ReconstructionPlan {
  const reader = new AnswerReader(what);
  const object = reader.object(value, 'the plan');
  const terms = parseTerms(reader, object, start);
  const ranges =
    object['xorbs'] === undefined ? parseFetchInfo(reader, object) : parseXorbRanges(reader, object);
  const fetches: PlanFetch[] = [];
  const perRange = new Map<FetchRange, PlanTerm[]>();
  for (const term of terms) {
    const range = ranges
      .get(term.xorb)
      ?.find((each) => each.chunkStart <= term.chunkStart && term.chunkEnd <= each.chunkEnd);
    if (range === undefined) throw reader.fail('a term without a download');
    const known = perRange.get(range);
    if (known !== undefined) {
      known.push(term);
      continue;
    }
    const group = [term];
    perRange.set(range, group);
    fetches.push({ ...range, xorb: term.xorb, terms: group });
  }
  return { terms, fetches };
}

function parseTerms(reader: AnswerReader, object: JsonObject, start: number): PlanTerm[] {
  let fileStart = start - reader.count(object, 'offset_into_first_range');
  if (fileStart < 0) throw reader.fail('"offset_into_first_range" reaches before the file');
  return reader.array(object['terms'], '"terms"').map((each) => {
    const term = reader.object(each, 'a term');
    const xorb = hexHash(reader, reader.string(term, 'hash'));
    const [chunkStart, chunkEnd] = rangeOf(reader, term['range']);
    const size = reader.count(term, 'unpacked_length');
    if (size === 0 || size > (chunkEnd - chunkStart) * chunkMaxBytes)
      throw reader.fail('a term of impossible size');
    const parsed = { xorb, chunkStart, chunkEnd, fileStart, fileEnd: fileStart + size };
    fileStart += size;
    return parsed;
  });
}

/** Half-open and not empty. */
function rangeOf(reader: AnswerReader, value: unknown): readonly [number, number] {
  const range = reader.object(value, 'a range');
  const start = reader.count(range, 'start');
  const end = reader.count(range, 'end');
  if (start >= end) throw reader.fail('an empty range');
  return [start, end];
}

/** Byte ranges have inclusive ends. */
function byteRangeOf(reader: AnswerReader, value: unknown): readonly [number, number] {
  const range = reader.object(value, 'a byte range');
  const start = reader.count(range, 'start');
  const end = reader.count(range, 'end') + 1;
  if (start >= end) throw reader.fail('an empty byte range');
  return [start, end];
}

function urlOf(reader: AnswerReader, object: JsonObject): string {
  const url = reader.string(object, 'url');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw reader.fail('a download without a URL');
  return url;
}

function hexHash(reader: AnswerReader, text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw reader.fail('a xorb without a hash');
  return text;
}

function parseXorbRanges(reader: AnswerReader, object: JsonObject): Map<string, FetchRange[]> {
  const found = new Map<string, FetchRange[]>();
  for (const [xorb, entries] of Object.entries(reader.object(object['xorbs'], '"xorbs"'))) {
    const ranges = reader.array(entries, 'the downloads of a xorb').flatMap((each) => {
      const entry = reader.object(each, 'a download');
      const url = urlOf(reader, entry);
      return reader.array(entry['ranges'], '"ranges"').map((item) => {
        const range = reader.object(item, 'a range of a download');
        const [chunkStart, chunkEnd] = rangeOf(reader, range['chunks']);
        const [byteStart, byteEnd] = byteRangeOf(reader, range['bytes']);
        return { url, chunkStart, chunkEnd, byteStart, byteEnd };
      });
    });
    found.set(xorb, ranges);
  }
  return found;
}

function parseFetchInfo(reader: AnswerReader, object: JsonObject): Map<string, FetchRange[]> {
  const found = new Map<string, FetchRange[]>();
  for (const [xorb, entries] of Object.entries(reader.object(object['fetch_info'], '"fetch_info"'))) {
    const ranges = reader.array(entries, 'the downloads of a xorb').map((each) => {
      const entry = reader.object(each, 'a download');
      const [chunkStart, chunkEnd] = rangeOf(reader, entry['range']);
      const [byteStart, byteEnd] = byteRangeOf(reader, entry['url_range']);
      return { url: urlOf(reader, entry), chunkStart, chunkEnd, byteStart, byteEnd };
    });
    found.set(xorb, ranges);
  }
  return found;
}

/** Raw hash of a plan's xorb. */
export function xorbHashOf(term: { readonly xorb: string }): Uint8Array {
  return hashFromHex(term.xorb);
}

/** Signed URLs last about an hour in production; a plan is used for half of it, and dropped at the first refusal. */
const planLifeMs = 30 * 60 * 1000;
const maxPlans = 512;

interface CachedPlan {
  readonly plan: Promise<ReconstructionPlan>;
  readonly useUntilMs: number;
}

/** Recent plans by file and range; concurrent callers share one request. Failures are not kept. */
export class PlanCache {
  readonly #plans = new Map<string, CachedPlan>();
  readonly #now: () => number;

  /** `now` in monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  async get(key: string, make: () => Promise<ReconstructionPlan>): Promise<ReconstructionPlan> {
    const cached = this.#plans.get(key);
    if (cached !== undefined && this.#now() < cached.useUntilMs) return await cached.plan;
    const fresh: CachedPlan = { plan: make(), useUntilMs: this.#now() + planLifeMs };
    this.#plans.delete(key);
    this.#plans.set(key, fresh);
    const oldest = this.#plans.keys().next();
    if (this.#plans.size > maxPlans && oldest.done !== true) this.#plans.delete(oldest.value);
    try {
      return await fresh.plan;
    } catch (error) {
      if (this.#plans.get(key) === fresh) this.#plans.delete(key);
      throw error;
    }
  }

  drop(key: string): void {
    this.#plans.delete(key);
  }

  clear(): void {
    this.#plans.clear();
  }
}
