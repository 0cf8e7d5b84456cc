// What a cold read is compared with: a plain program that downloads the same xorb ranges side by side and decodes them as they come, in
// one process, without checking hashes, without a cache and without a file system. Runs in a process of its own.

import { Agent, get, type IncomingMessage } from 'node:http';
import { parsePlan, type PlanFetch } from '../src/hub/reconstruction.ts';
import { ChunkStreamDecoder } from '../src/xet/xorb.ts';
import { verify } from './row.ts';

export interface HttpDownload {
  /** With the link's port, where there is a link. */
  readonly endpoint: string;
  readonly token: string;
  /** `OWNER/NAME`. */
  readonly bucket: string;
  readonly xetHash: string;
  readonly sizeBytes: number;
  /** False: the xorb bytes as they are. */
  readonly isDecoding: boolean;
}

export interface HttpFigures {
  readonly durationMs: number;
  readonly receivedBytes: number;
  readonly processorMs: number;
}

/** Bytes of the file that one plan covers: each plan's xorb ranges are downloads of their own. */
const planBytes = 16 * 1024 * 1024;
const downloadsAtOnce = 8;

const agent = new Agent({ keepAlive: true, maxSockets: downloadsAtOnce });

export async function downloadOverHttp(order: HttpDownload): Promise<HttpFigures> {
  const used = process.cpuUsage();
  const startedMs = performance.now();
  const authorization = { authorization: `Bearer ${order.token}` };
  const tokenUrl = `${order.endpoint}/api/buckets/${order.bucket}/xet-read-token`;
  const access = (await json(tokenUrl, authorization)) as {
    readonly casUrl: string;
    readonly accessToken: string;
  };
  const starts: number[] = [];
  for (let at = 0; at < order.sizeBytes; at += planBytes) starts.push(at);
  let receivedBytes = 0;
  let plainBytes = 0;
  await atOnce(starts, async (start) => {
    const end = Math.min(order.sizeBytes, start + planBytes);
    const answer = await json(`${access.casUrl}/v2/reconstructions/${order.xetHash}`, {
      authorization: `Bearer ${access.accessToken}`,
      range: `bytes=${start}-${end - 1}`,
    });
    for (const fetch of parsePlan(answer, start, 'The plan').fetches) {
      const counts = await download(fetch, order.isDecoding);
      receivedBytes += counts.receivedBytes;
      plainBytes += counts.plainBytes;
    }
  });
  const durationMs = performance.now() - startedMs;
  // Chunks at the borders of plans come twice.
  if (order.isDecoding) verify(plainBytes >= order.sizeBytes, `http decoded ${plainBytes} bytes`);
  const { user, system } = process.cpuUsage(used);
  return { durationMs, receivedBytes, processorMs: (user + system) / 1000 };
}

async function download(
  fetch: PlanFetch,
  isDecoding: boolean,
): Promise<{ receivedBytes: number; plainBytes: number }> {
  const answer = await request(fetch.url, { range: `bytes=${fetch.byteStart}-${fetch.byteEnd - 1}` });
  const decoder = new ChunkStreamDecoder();
  const counts = { receivedBytes: 0, plainBytes: 0 };
  for await (const bytes of answer as AsyncIterable<Buffer>) {
    counts.receivedBytes += bytes.length;
    if (isDecoding) decoder.push(bytes, (_index, plain) => (counts.plainBytes += plain.length));
  }
  decoder.finish();
  verify(
    counts.receivedBytes === fetch.byteEnd - fetch.byteStart,
    'http got another length than it asked for',
  );
  return counts;
}

async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: downloadsAtOnce }, lane));
}

async function json(url: string, headers: Record<string, string>): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of (await request(url, headers)) as AsyncIterable<Buffer>) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
}

function request(url: string, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (answer) => {
      const { statusCode = 0 } = answer;
      if (statusCode < 300) resolve(answer);
      else reject(new Error(`${new URL(url).pathname} answered ${statusCode}`));
    }).once('error', reject);
  });
}
