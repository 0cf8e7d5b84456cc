// Disturbs the embedded Hub now and then, one kind after the other at random. Used by soak.ts.

import { setTimeout as delay } from 'node:timers/promises';
import type { FaultRule, FaultSwitches } from '../../src/hub-local/faults.ts';

const pauseMs = 4000;
const lastsMs = 2500;

const kinds: readonly (readonly [name: string, rule: FaultRule])[] = [
  ['latency', { route: '*', latencyMs: 250 }],
  ['slow bodies', { route: 'cas.*', bytesPerSecond: 200_000, count: 6 }],
  ['429', { route: '*', status: 429, retryAfterSeconds: 1, count: 10 }],
  ['500', { route: '*', status: 500, count: 8 }],
  ['503 of the CAS', { route: 'cas.*', status: 503, count: 8 }],
  ['drop before handling', { route: '*', drop: 'before-handling', count: 6 }],
  ['lost replies', { route: 'bucket.batch', drop: 'before-headers', count: 2 }],
  ['lost replies of uploads', { route: 'cas.*-upload', drop: 'before-headers', count: 3 }],
  ['drop in a body', { route: '*', drop: 'mid-body', count: 5 }],
  ['cut uploads', { route: 'cas.xorb-upload', dropUploadAtByte: 5000, count: 3 }],
  ['stall', { route: 'cas.*', stallAtByte: 100, count: 1 }],
  ['truncation', { route: 'cas.xorb-data', truncateAtByte: 1000, count: 3 }],
  ['truncated listings', { route: 'bucket.tree', truncateAtByte: 50, count: 2 }],
  ['wrong bytes', { route: 'cas.xorb-data', corruptAtByte: 300, count: 1 }],
];

export class SoakFaults {
  readonly counts = new Map<string, number>();
  readonly #faults: FaultSwitches;
  readonly #random: () => number;

  constructor(faults: FaultSwitches, random: () => number) {
    this.#faults = faults;
    this.#random = random;
  }

  async work(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await delay(Math.min(pauseMs * this.#random(), Math.max(0, untilMs - performance.now())));
      this.#one();
      await delay(lastsMs);
      this.#faults.clear();
    }
  }

  #one(): void {
    const dice = this.#random();
    if (dice < 0.08) this.#note('expired tokens', () => this.#faults.expireTokens());
    else if (dice < 0.16) this.#note('expired URLs', () => this.#faults.expireUrls());
    else if (dice < 0.24) this.#note('cut event streams', () => this.#faults.cutEvents());
    else {
      const [name, rule] = kinds[Math.floor(this.#random() * kinds.length)] ?? ['none', null];
      if (rule !== null) this.#note(name, () => this.#faults.add(rule));
    }
  }

  #note(name: string, act: () => void): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    act();
  }
}
