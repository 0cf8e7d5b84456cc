// The fault switches and request counters of the embedded Hub: what tests and the benchmark harness turn on, in
// process (`LocalHub.faults`) or over HTTP (`fault-routes.ts`). `exchange.ts` carries the faults out.

/** One disturbance of the requests that match `route`. All effects given apply together. */
export interface FaultRule {
  /**
   * A route name (`cas.xorb-data`), or `METHOD /path` with the path as the client sent it; `*` stands for anything.
   * `*` alone matches every route except the fault switches themselves.
   */
  readonly route: string;
  /** How many requests to disturb; without it, all until the rule is removed. */
  readonly count?: number;
  /** How many matching requests to let pass first. */
  readonly skip?: number;
  /** Waits before the request is handled. */
  readonly latencyMs?: number;
  /** Paces request and response bodies. */
  readonly bytesPerSecond?: number;
  /** Answers with this status instead of handling the request. 429 carries RateLimit and Retry-After. */
  readonly status?: number;
  /** `X-Error-Code` beside `status`. */
  readonly errorCode?: string;
  readonly message?: string;
  /** `Retry-After` beside `status`, seconds; 429 defaults to 1. */
  readonly retryAfterSeconds?: number;
  /**
   * Cuts the connection: `before-handling` (nothing happened), `before-headers` (the request took effect, its reply
   * is lost), `mid-body` (after `atByte` bytes of the response body, half of it without `atByte`).
   */
  readonly drop?: 'before-handling' | 'before-headers' | 'mid-body';
  readonly atByte?: number;
  /** Cuts the connection after this many bytes of the request body. */
  readonly dropUploadAtByte?: number;
  /** Ends the response body after this many bytes as if it were whole (Content-Length says so too). */
  readonly truncateAtByte?: number;
  /** Sends this many bytes of the response body, then nothing more until the client gives up. */
  readonly stallAtByte?: number;
  /** Inverts the byte at this offset of the response body. */
  readonly corruptAtByte?: number;
}

/** Standing behaviour; every field can be changed at any time and holds for the requests after it. */
export interface HubSettings {
  /** Life of Xet tokens. */
  tokenLifetimeSeconds: number;
  /** Life of xorb data URLs. */
  urlLifetimeSeconds: number;
  /** Xorb data URLs serve exactly the ranges they were signed for, as production does. */
  strictRanges: boolean;
  /** Off: `GET /api/buckets/…/events` answers 404. */
  events: boolean;
  /** Off: `/v2/file-chunk-hashes` answers 404. */
  fileChunkHashes: boolean;
  /** Off: `/v2/reconstructions` answers 404. */
  reconstructionV2: boolean;
  /** Off: `/v2/shards` answers 404. */
  shardsV2: boolean;
  /** Off: chunk queries answer 404, so that nothing deduplicates against other uploads. */
  globalDedup: boolean;
  /** On: a v2 reconstruction names all ranges of a xorb under one URL (multi-range requests). */
  multiRange: boolean;
  /** Upper bound for `limit` of tree listings. */
  maxPageSize: number;
  /** Batch lines for these paths fail with this text (a 422 with `failed`); the key may contain `*`. */
  failPaths: Record<string, string>;
  /** Requests per five minutes and caller. */
  quota: { api: number; resolvers: number; pages: number };
}

export const defaultSettings: Readonly<HubSettings> = {
  tokenLifetimeSeconds: 3600,
  urlLifetimeSeconds: 3600,
  strictRanges: true,
  events: true,
  fileChunkHashes: true,
  reconstructionV2: true,
  shardsV2: true,
  globalDedup: true,
  multiRange: false,
  maxPageSize: 10_000,
  failPaths: {},
  quota: { api: 1_000_000, resolvers: 5_000_000, pages: 1_000_000 },
};

/** Totals of one route since the start or the last reset. Bytes are body bytes. */
export interface RouteCount {
  count: number;
  requestBytes: number;
  responseBytes: number;
  /** Answers by status; 0 counts connections that ended without one. */
  statuses: Record<number, number>;
}

interface ActiveRule {
  readonly id: number;
  readonly rule: FaultRule;
  readonly pattern: RegExp;
  skip: number;
  left: number;
}

export class FaultSwitches {
  readonly settings: HubSettings;
  #rules: ActiveRule[] = [];
  #nextId = 1;
  #counts = new Map<string, RouteCount>();
  #urlEpoch = 0;
  #tokenEpoch = 0;
  readonly #onCutEvents: (polite: boolean) => void;

  constructor(settings: HubSettings, onCutEvents: (polite: boolean) => void) {
    this.settings = settings;
    this.#onCutEvents = onCutEvents;
  }

  /** Adds a rule; of several that match, the oldest acts. Returns its id for `remove`. */
  add(rule: FaultRule): number {
    const id = this.#nextId++;
    this.#rules.push({
      id,
      rule,
      pattern: globPattern(rule.route),
      skip: rule.skip ?? 0,
      left: rule.count ?? Number.POSITIVE_INFINITY,
    });
    return id;
  }

  remove(id: number): void {
    this.#rules = this.#rules.filter((active) => active.id !== id);
  }

  /** Removes every rule; settings and counters stay. */
  clear(): void {
    this.#rules = [];
  }

  /** The rules that can still act. */
  rules(): readonly { readonly id: number; readonly rule: FaultRule; readonly left: number }[] {
    return this.#rules.map(({ id, rule, left }) => ({ id, rule, left }));
  }

  /** The rule for this request, if any; uses up one of its counts. */
  take(routeName: string, method: string, pathname: string): FaultRule | null {
    for (const active of this.#rules) {
      if (!active.pattern.test(routeName) && !active.pattern.test(`${method} ${pathname}`)) continue;
      if (active.skip > 0) {
        active.skip--;
        continue;
      }
      active.left--;
      if (active.left <= 0) this.remove(active.id);
      return active.rule;
    }
    return null;
  }

  /** Makes every xorb URL handed out so far answer 403, like one whose time has come. */
  expireUrls(): void {
    this.#urlEpoch++;
  }

  /** Makes every Xet token handed out so far answer 401. */
  expireTokens(): void {
    this.#tokenEpoch++;
  }

  /** Ends every open event stream: without a word, or (`polite`) with a `reconnect` event first. */
  cutEvents(polite = false): void {
    this.#onCutEvents(polite);
  }

  get urlEpoch(): number {
    return this.#urlEpoch;
  }

  get tokenEpoch(): number {
    return this.#tokenEpoch;
  }

  /** A copy of the counters by route name. */
  counters(): Record<string, RouteCount> {
    return structuredClone(Object.fromEntries(this.#counts));
  }

  /** Requests to routes whose name matches the glob, e.g. `bucket.*`. */
  count(route: string): number {
    const pattern = globPattern(route);
    let sum = 0;
    for (const [name, count] of this.#counts) if (pattern.test(name)) sum += count.count;
    return sum;
  }

  resetCounters(): void {
    this.#counts.clear();
  }

  /** Called by the server once per request that ended. */
  record(routeName: string, status: number, requestBytes: number, responseBytes: number): void {
    let count = this.#counts.get(routeName);
    if (count === undefined) {
      count = { count: 0, requestBytes: 0, responseBytes: 0, statuses: {} };
      this.#counts.set(routeName, count);
    }
    count.count++;
    count.requestBytes += requestBytes;
    count.responseBytes += responseBytes;
    count.statuses[status] = (count.statuses[status] ?? 0) + 1;
  }
}

export function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[.*+?^${}()|[\]\\]/g, (character) =>
    character === '*' ? '.*' : `\\${character}`,
  );
  return new RegExp(`^${escaped}$`, 's');
}
