// Reconstructions and xorb data of the embedded Hub: how it says where the bytes of a file are, and serves them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import { fileHash, hashFromHex, hashToHex, rangeHash } from '../../src/xet/hash.ts';
import { writeShard, type ShardFile } from '../../src/xet/shard.ts';
import { decodeChunks } from '../../src/xet/xorb.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { casCaller, openHub, packContent, type HubCaller } from '../support/local-hub.ts';

interface Reconstruction {
  readonly offset_into_first_range: number;
  readonly terms: { hash: string; unpacked_length: number; range: { start: number; end: number } }[];
  readonly xorbs: Record<string, XorbEntry[]>;
  readonly fetch_info: Record<
    string,
    { range: { start: number; end: number }; url: string; url_range: { start: number; end: number } }[]
  >;
}

interface XorbEntry {
  readonly url: string;
  readonly ranges: { chunks: { start: number; end: number }; bytes: { start: number; end: number } }[];
}

const zeros = '0'.repeat(64);
const unknownHash = 'ab'.repeat(32);

async function reconstruct(
  cas: HubCaller,
  hash: string,
  range?: string,
  version = 2,
): Promise<Reconstruction> {
  const headers: Record<string, string> = range === undefined ? {} : { Range: range };
  const answer = await cas.get(`/v${version}/reconstructions/${hash}`, headers);
  assert.equal(answer.status, 200, answer.text);
  return answer.json as Reconstruction;
}

/** Fetches what a v2 reconstruction names, as a client does, and returns the bytes of the range. */
async function assemble(plan: Reconstruction, lengthBytes: number): Promise<Buffer> {
  const anonymous = callerOfUrl();
  const chunks = new Map<string, Buffer>();
  for (const [hash, entriesOfXorb] of Object.entries(plan.xorbs)) {
    for (const entry of entriesOfXorb) {
      for (const range of entry.ranges) {
        const { start, end } = range.bytes;
        const answer = await anonymous.get(entry.url, { Range: `bytes=${start}-${end}` });
        assert.equal(answer.status, 206);
        decodeChunks(answer.bytes, (index, plain) => {
          chunks.set(`${hash} ${range.chunks.start + index}`, Buffer.from(plain));
        });
      }
    }
  }
  const pieces = plan.terms.flatMap((term) =>
    Array.from({ length: term.range.end - term.range.start }, (_unused, index) => {
      const piece = chunks.get(`${term.hash} ${term.range.start + index}`);
      assert.ok(piece, 'every chunk of a term lies inside a named range');
      return piece;
    }),
  );
  return Buffer.concat(pieces).subarray(
    plan.offset_into_first_range,
    plan.offset_into_first_range + lengthBytes,
  );
}

function callerOfUrl(): {
  get(url: string, headers: Record<string, string>): Promise<{ status: number; bytes: Buffer }>;
} {
  return {
    async get(url, headers) {
      const response = await fetch(url, { headers });
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
    },
  };
}

test('any range of a file can be put together from its reconstruction', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const data = Buffer.from(randomBytes(3, 1_500_000));
  for (const segmentChunks of [undefined, 1, 3]) {
    const own = Buffer.concat([Buffer.from(`${segmentChunks} `), data]);
    const hash = await hub.content.putFile(
      'demo/b',
      'x',
      own,
      segmentChunks === undefined ? {} : { segmentChunks },
    );
    const cas = await casCaller(hub, 'demo/b', 'read');
    const ranges: [number, number][] = [
      [0, 0],
      [0, own.byteLength - 1],
      [131_071, 131_072],
      [700_000, 900_000],
      [own.byteLength - 1, own.byteLength - 1],
    ];
    for (const [first, last] of ranges) {
      const plan = await reconstruct(cas, hash, `bytes=${first}-${last}`);
      const bytes = await assemble(plan, last - first + 1);
      assert.ok(bytes.equals(own.subarray(first, last + 1)), `${segmentChunks}: ${first}-${last}`);
    }
    const whole = await reconstruct(cas, hash, 'bytes=0-18446744073709551614');
    assert.ok((await assemble(whole, own.byteLength)).equals(own));
    const urls = Object.values(whole.xorbs).flatMap((list) => list.map((entry) => entry.url));
    assert.equal(new Set(urls).size, urls.length, 'no two entries share a URL');
    const old = await reconstruct(cas, hash, 'bytes=700000-900000', 1);
    const [info] = Object.values(old.fetch_info)[0] ?? [];
    const [term] = old.terms;
    assert.ok(info && term && info.range.start <= term.range.start && term.range.end <= info.range.end);
    const part = await fetch(info.url, {
      headers: { Range: `bytes=${info.url_range.start}-${info.url_range.end}` },
    });
    assert.equal((await part.arrayBuffer()).byteLength, info.url_range.end - info.url_range.start + 1);
  }
});

test('reconstruction knows its limits: empty, unknown, malformed, out of range', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const hash = await hub.content.putFile('demo/b', 'x', 'hello');
  const cas = await casCaller(hub, 'demo/b', 'read');
  const empty = await reconstruct(cas, zeros, 'bytes=0-100');
  assert.deepEqual([empty.terms, empty.xorbs, empty.offset_into_first_range], [[], {}, 0]);
  const status = async (path: string, range?: string) =>
    (await cas.get(path, range === undefined ? {} : { Range: range })).status;
  assert.equal(await status(`/v2/reconstructions/${unknownHash}`), 404);
  assert.equal(await status('/v2/reconstructions/nothex'), 400);
  assert.equal(await status(`/v2/reconstructions/${hash}`, 'bytes=5-9'), 416);
  assert.equal(await status(`/v2/reconstructions/${zeros}`, 'bytes=1-9'), 416);
  hub.faults.settings.reconstructionV2 = false;
  assert.equal(await status(`/v2/reconstructions/${hash}`), 404);
  assert.equal(await status(`/v1/reconstructions/${hash}`), 200);
});

test('a xorb URL serves its own ranges only, without a token, until it expires', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  hub.content.createBucket('demo/b');
  const hash = await hub.content.putFile('demo/b', 'x', randomBytes(1, 400_000));
  const cas = await casCaller(hub, 'demo/b', 'read');
  const plan = await reconstruct(cas, hash, 'bytes=0-10');
  const [entry] = Object.values(plan.xorbs)[0] ?? [];
  assert.ok(entry);
  const { start, end } = entry.ranges[0]?.bytes ?? { start: 0, end: 0 };
  const status = async (range: string | null, url = entry.url): Promise<number> => {
    const response = await fetch(url, { headers: range === null ? {} : { Range: range } });
    await response.arrayBuffer();
    return response.status;
  };
  assert.equal(await status(`bytes=${start}-${end}`), 206);
  assert.equal(await status(`bytes=${start}-${end - 1}`), 403, 'narrower');
  assert.equal(await status(`bytes=${start}-${end + 1}`), 403, 'wider');
  assert.equal(await status(null), 403, 'all');
  assert.equal(await status(`bytes=${start}-${end}`, entry.url.replace(/Signature=../, 'Signature=~~')), 403);
  hub.faults.settings.strictRanges = false;
  assert.equal(await status(`bytes=${start}-${end - 1}`), 206);
  assert.equal(await status(null), 200);
  hub.faults.settings.strictRanges = true;
  clock.advance(3_599_000);
  assert.equal(await status(`bytes=${start}-${end}`), 206);
  clock.advance(1000);
  assert.equal(await status(`bytes=${start}-${end}`), 403, 'too late');
});

test('several ranges of one URL come back as multipart in the order asked', async (t) => {
  const hub = await openHub(t, { settings: { multiRange: true } });
  hub.content.createBucket('demo/b');
  const first = randomBytes(1, 1_000_000);
  await hub.content.putFile('demo/b', 'x', first, { compression: 'none' });
  const cas = await casCaller(hub, 'demo/b', 'write');
  // A file of every fourth chunk of that xorb, last one first, so that its ranges cannot merge.
  const content = packContent(first, 'none');
  const picked = content.chunks
    .map((chunk, index) => ({ chunk, index }))
    .filter(({ index }) => index % 4 === 0);
  const pieces = picked.toReversed();
  const file: ShardFile = {
    hash: fileHash(pieces.map(({ chunk }) => chunk)),
    segments: pieces.map(({ chunk, index }) => ({
      xorbHash: hashFromHex(content.xorbHash),
      unpackedBytes: chunk.sizeBytes,
      chunkStart: index,
      chunkEnd: index + 1,
    })),
    verification: pieces.map(({ chunk }) => rangeHash([chunk.hash])),
    sha256: null,
  };
  const taken = await cas.call('POST', '/v1/shards', writeShard({ files: [file], xorbs: [] }));
  assert.equal(taken.status, 200, taken.text);
  const plan = await reconstruct(cas, hashToHex(file.hash));
  const list = plan.xorbs[content.xorbHash] ?? [];
  assert.equal(list.length, 1);
  const ranges = list[0]?.ranges ?? [];
  assert.equal(ranges.length, picked.length);
  const header = `bytes=${ranges.map(({ bytes }) => `${bytes.start}-${bytes.end}`).join(',')}`;
  const response = await fetch(list[0]?.url ?? '', { headers: { Range: header } });
  assert.equal(response.status, 206);
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(
    response.headers.get('content-type') ?? '',
  )?.[1];
  const body = Buffer.from(await response.arrayBuffer());
  assert.equal(body.byteLength, Number(response.headers.get('content-length')));
  const parts = body.toString('latin1').split(`--${boundary}`).slice(1, -1);
  parts.forEach((part, index) => {
    const { start, end } = ranges[index]?.bytes ?? { start: 0, end: 0 };
    assert.ok(part.includes(`Content-Range: bytes ${start}-${end}/${content.xorbBytes.byteLength}`));
    const data = Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4, -2), 'latin1');
    assert.ok(data.equals(Buffer.from(content.xorbBytes.subarray(start, end + 1))));
  });
  assert.equal(parts.length, ranges.length);
});

test('a repeated block is a valid file many times its size on disk', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const block = Buffer.from(randomBytes(9, 1_000_000));
  const hash = await hub.content.putRepeatedFile('demo/b', 'huge', block, 5000);
  assert.equal(hub.content.listFiles('demo/b')[0]?.sizeBytes, 5_000_000_000);
  const cas = await casCaller(hub, 'demo/b', 'read');
  const start = 4_000_000_000 - 1000;
  const plan = await reconstruct(cas, hash, `bytes=${start}-${start + 1999}`);
  const expected = Buffer.concat([block.subarray(-1000), block.subarray(0, 1000)]);
  assert.ok((await assemble(plan, 2000)).equals(expected));
});
