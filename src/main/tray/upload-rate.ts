// How fast changes reach the Hub, from the counters in the states that the host publishes. For estimates shown to a person.

import type { HostState } from '../../shared/model.ts';

const windowMs = 20_000;

export class UploadRate {
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];

  /** `at`: monotonic milliseconds. */
  observe(state: HostState, at: number): void {
    const bytes = state.mounts.reduce(
      (sum, { counters }) => sum + counters.uploadedBytes + counters.savedBytes,
      0,
    );
    const last = this.#samples.at(-1);
    // An engine that starts again counts from zero.
    if (last !== undefined && bytes < last.bytes) this.#samples.length = 0;
    this.#samples.push({ at, bytes });
    while ((this.#samples[0]?.at ?? at) < at - windowMs) this.#samples.shift();
  }

  /** Bytes a second, null when nothing was sent lately. */
  get bytesPerSecond(): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at || last.bytes === first.bytes)
      return null;
    return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000;
  }
}
