// What the real host costs while nothing happens: memory without a mount and for each mount, and processor time over some seconds.

import type { HostProcess } from '../host-process.ts';
import { processorNs } from '../processor-time.ts';
import type { BenchGroup, BenchValue, OpenGroup, Unit } from '../row.ts';
import type { BenchWorld } from '../world.ts';

const mounts = 4;
/** What starting leaves to be done is over then. */
const settleMs = 6000;

const memoryRow = 'resident memory of the host without a mount';
const mountRow = 'processor time of an idle mount';

export const idleGroup: BenchGroup = {
  name: 'idle cost',
  targets: [
    { metric: memoryRow, atMost: 80 },
    { metric: mountRow, atMost: 0.5 },
  ],
  warmUpRuns: 0,
  maxRuns: 2,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup | { readonly unavailable: string }> {
  const hub = await world.startHub();
  const names = Array.from({ length: mounts }, (_, index) => `demo/idle-${index}`);
  await hub.put(names.map((bucket) => ({ bucket, path: 'file', kind: 'text', sizeBytes: 10_000, seed: 1 })));
  const watchMs = world.scaled(15_000, 1000);
  // Its compiled code is kept from then on, as after a first start anywhere.
  await (await world.startHost(hub)).close();
  return {
    async run() {
      const host = await world.startHost(hub);
      const values: BenchValue[] = [];
      const note = (metric: string, unit: Unit, value: number | null): void => {
        if (value !== null) values.push({ metric, subject: 'hubdrive', unit, value });
      };
      await delay(world.scaled(settleMs, 500));
      const bytesBefore = await host.residentBytes();
      const shareBefore = await watchProcessor(host, watchMs);
      note(memoryRow, 'MB', bytesBefore === null ? null : bytesBefore / 1e6);
      note('processor time of the host without a mount', '%', shareBefore);
      for (const name of names) await host.mount(`bucket/${name}`);
      await delay(world.scaled(settleMs, 500));
      const bytesAfter = await host.residentBytes();
      const shareAfter = await watchProcessor(host, watchMs);
      const isKnown =
        bytesBefore !== null && bytesAfter !== null && shareBefore !== null && shareAfter !== null;
      note(
        'resident memory of an idle mount',
        'MB',
        isKnown ? (bytesAfter - bytesBefore) / 1e6 / mounts : null,
      );
      note(mountRow, '%', isKnown ? Math.max(0, shareAfter - shareBefore) / mounts : null);
      await host.close();
      return values;
    },
    close: () => hub.close(),
  };
}

/** Percent of one core. */
async function watchProcessor(host: HostProcess, watchMs: number): Promise<number | null> {
  const before = await processorNs(host.pid);
  await delay(watchMs);
  const after = await processorNs(host.pid);
  return before === null || after === null ? null : ((after - before) / 1e6 / watchMs) * 100;
}

function delay(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
