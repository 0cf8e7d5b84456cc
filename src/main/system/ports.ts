// Chooses the TCP port of a mount. The kernel reconnects to exactly this port after a restart, so it is remembered and lies outside
// the range from which the system gives out ports to anybody.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';
import { errnoOf, HostError } from '../problem.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Above the registered services that people run, below the usual ephemeral ranges. */
const preferred: PortRange = { first: 20_000, last: 32_000 };
const defaultEphemeral: Readonly<Record<string, PortRange>> = {
  linux: { first: 32_768, last: 60_999 },
  darwin: { first: 49_152, last: 65_535 },
};
const attempts = 200;

export async function readEphemeralRange(platform: string): Promise<PortRange> {
  const fallback = defaultEphemeral[platform] ?? { first: 32_768, last: 65_535 };
  if (platform !== 'linux') return fallback;
  try {
    return parsePortRange(await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')) ?? fallback;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return fallback;
  }
}

export function parsePortRange(text: string): PortRange | null {
  const match = /^\s*(\d+)\s+(\d+)\s*$/.exec(text);
  return match === null ? null : { first: Number(match[1]), last: Number(match[2]) };
}

/** The ports from which ours are drawn: the larger part of the preferred range that is not ephemeral, else the larger rest. */
export function usablePorts(ephemeral: PortRange): PortRange {
  const below = {
    first: Math.min(preferred.first, Math.max(1025, ephemeral.first - 2000)),
    last: Math.min(preferred.last, ephemeral.first - 1),
  };
  const above = { first: Math.max(preferred.first, ephemeral.last + 1), last: 65_535 };
  const size = (range: PortRange) => range.last - range.first + 1;
  if (size(below) >= 500 && below.first >= 1025) return below;
  return size(above) > size(below) ? above : below;
}

export async function choosePort(options: {
  readonly host: string;
  readonly taken: ReadonlySet<number>;
  readonly ephemeral: PortRange;
  readonly isFree?: (host: string, port: number) => Promise<boolean>;
  readonly random?: (min: number, max: number) => number;
}): Promise<number> {
  const { first, last } = usablePorts(options.ephemeral);
  const random = options.random ?? ((min: number, max: number) => randomInt(min, max + 1));
  const isFree = options.isFree ?? isPortFree;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = random(first, last);
    if (!options.taken.has(port) && (await isFree(options.host, port))) return port;
  }
  throw new HostError('port-in-use', `No free port was found between ${first} and ${last}`, {
    retryable: true,
  });
}

/** Binds and lets go at once. Node sets SO_REUSEADDR, as the NFS server does. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const code = errnoOf(error);
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
