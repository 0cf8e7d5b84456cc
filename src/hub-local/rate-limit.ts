// Fixed five-minute windows per caller and the RateLimit headers of every Hub answer (the CAS host has
// none). Generous by default so that benchmarks do not meet them; tests lower `settings.quota`.

import type { HubClock } from './hub-clock.ts';
import type { HubSettings } from './faults.ts';

const windowMs = 300_000;

export type RateBucket = keyof HubSettings['quota'];

export interface RateVerdict {
  readonly allowed: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** The quota that a route counts against, or null for none. */
export function rateBucketOf(routeName: string): RateBucket | null {
  if (routeName.startsWith('cas.') || routeName.startsWith('admin.')) return null;
  if (routeName.endsWith('.resolve')) return 'resolvers';
  return routeName.startsWith('page.') || routeName.startsWith('oauth.') ? 'pages' : 'api';
}

export class RateLimiter {
  readonly #clock: HubClock;
  readonly #settings: HubSettings;
  #windowStart = 0;
  #used = new Map<string, number>();

  constructor(settings: HubSettings, clock: HubClock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Counts one request of `caller` and says whether it may go on. */
  spend(bucket: RateBucket, caller: string): RateVerdict {
    const now = this.#clock.now();
    if (now >= this.#windowStart + windowMs) {
      this.#windowStart = now - (now % windowMs);
      this.#used.clear();
    }
    const quota = this.#settings.quota[bucket];
    const key = `${bucket} ${caller}`;
    const used = (this.#used.get(key) ?? 0) + 1;
    this.#used.set(key, used);
    const resetSeconds = Math.max(1, Math.ceil((this.#windowStart + windowMs - now) / 1000));
    const headers: Record<string, string> = {
      RateLimit: `"${bucket}";r=${Math.max(0, quota - used)};t=${resetSeconds}`,
      'RateLimit-Policy': `"fixed window";"${bucket}";q=${quota};w=${windowMs / 1000}`,
    };
    const allowed = used <= quota;
    if (!allowed) headers['Retry-After'] = String(resetSeconds);
    return { allowed, headers };
  }
}
