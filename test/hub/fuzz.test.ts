// Answers of a Hub that has gone mad: a proxy before the embedded Hub changes statuses, headers and bodies at random. Whatever comes,
// the client ends in time with a result or a HubError, and keeps no more memory than it may. HUBDRIVE_FUZZ_RUNS lengthens a run,
// HUBDRIVE_FUZZ_SEED repeats one.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import fc from 'fast-check';
import { SseParser } from '../../src/hub/bucket-events.ts';
import { nextPage } from '../../src/hub/hub-client.ts';
import type { HttpAnswer } from '../../src/hub/http-exchange.ts';
import { parsePlan } from '../../src/hub/reconstruction.ts';
import { HubError, type ContentRef, type RemoteStore } from '../../src/hub/remote-store.ts';
import { noiseBytes } from '../xet/xet-samples.ts';
import { MadProxy, type Change } from './mad-proxy.ts';
import { addFile, hastyHttp, newContent, startHubWorld, type HubWorld } from './hub-world.ts';

const runs = Number(process.env['HUBDRIVE_FUZZ_RUNS'] ?? 25);
const seed = Number(process.env['HUBDRIVE_FUZZ_SEED'] ?? Date.now() % 1_000_000);
const longestCallMs = 15_000;
const mostHeapGrowthBytes = 64 * 1024 * 1024;
const bucket = 'demo/fuzz';

const strangeNumber = fc.constantFrom(-1, 0, 0.5, 1, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300, -(2 ** 40));
const strangeText = fc.constantFrom(
  '',
  '..',
  '/',
  'a/../../b',
  'a\u0000b',
  '\ud800',
  'x'.repeat(70_000),
  '0'.repeat(64),
  'f'.repeat(64),
  'http://',
  'file:///etc/passwd',
  'http://127.0.0.1:1/',
  '__proto__',
  '9999-99-99T99:99:99Z',
);
const strangeValue = fc.oneof(
  strangeNumber,
  strangeText,
  fc.constantFrom<unknown>(null, true, [], {}, [[]], [{}], { __proto__: 1 }),
  fc.jsonValue({ maxDepth: 2 }),
);
const headers = fc.constantFrom(
  ['link', '<http://127.0.0.1:1/next>; rel="next"'],
  ['link', '<?cursor=same>; rel="next"'],
  ['link', `<${'x'.repeat(5000)}>; rel="next"`],
  ['link', '<<<>>>; rel=next, <a>; rel="prev"'],
  ['content-length', '7'],
  ['content-range', 'bytes 5-1/0'],
  ['content-range', 'nonsense'],
  ['content-type', 'text/html'],
  ['content-encoding', 'gzip'],
  ['retry-after', '-5'],
  ['retry-after', '1e9'],
  ['ratelimit', '"api";r=0;t=99999999'],
  ['location', 'http://127.0.0.1:1/elsewhere'],
  ['location', '::::'],
  ['x-error-code', '\u00ff'],
  ['etag', 'x'],
);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Change>({ kind: 'none' }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('replace' as const, 'insert' as const),
      place: fc.nat(),
      value: strangeValue,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), place: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('bytes' as const),
      place: fc.nat(),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('status' as const),
      status: fc.constantFrom(200, 204, 206, 301, 304, 400, 401, 403, 404, 409, 416, 418, 422, 429, 500, 503),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('repeat' as const), times: fc.integer({ min: 2, max: 400 }) }),
  },
  {
    weight: 2,
    arbitrary: headers.map(([name, value]): Change => ({
      kind: 'header',
      name: name ?? '',
      value: value ?? '',
    })),
  },
  { weight: 1, arbitrary: fc.constant<Change>({ kind: 'stall' }) },
);

/** Without garbage. */
function heapBytes(): number {
  v8.setFlagsFromString('--expose-gc');
  const collect: unknown = vm.runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

async function within(work: Promise<unknown>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} hangs` })), longestCallMs);
  });
  try {
    await Promise.race([work, limit]);
  } catch (error) {
    if (error instanceof HubError) return;
    throw new Error(`${what} ended with something else than a HubError`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function take(pages: AsyncIterable<unknown>, most: number): Promise<void> {
  let count = 0;
  for await (const _page of pages) if (++count >= most) return;
}

describe('a Hub gone mad', () => {
  let world: HubWorld;
  let proxy: MadProxy;
  let endpoint: string;
  let content: ContentRef;
  const data = noiseBytes(300_000, 5);

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket(bucket);
    world.hub.content.createRepo('dataset', 'demo/fuzzed');
    await world.hub.content.commitFiles('dataset', 'demo/fuzzed', 'main', [{ path: 'a.txt', data: 'text' }]);
    proxy = new MadProxy(world.hub.port);
    endpoint = await proxy.start();
    const store = await world.open(`bucket/${bucket}`);
    content = (await store.upload(newContent(data))).content;
    for (const path of ['file', 'folder/one', 'folder/two']) await addFile(store, path, content);
  });
  after(async () => {
    await proxy.close();
    await world.close();
  });

  const open = (source: string): Promise<RemoteStore> =>
    world.open(source, {
      endpoint,
      http: { ...hastyHttp, timeouts: { headersMs: 300, stallMs: 100, connectMs: 300 } },
    });

  async function useEverything(): Promise<void> {
    const changes = proxy.changes;
    for (const source of [`bucket/${bucket}`, 'dataset/demo/fuzzed']) {
      proxy.changes = changes;
      await within(open(source), 'opening');
      proxy.changes = [];
      const store = await open(source);
      proxy.changes = changes;
      try {
        await within(store.probe(), 'probe');
        await within(take(store.list('', AbortSignal.timeout(5000)), 50), 'list');
        await within(take(store.listRecursive('folder', AbortSignal.timeout(5000)), 50), 'listRecursive');
        await within(store.stat(['file', 'folder/one', 'missing']), 'stat');
        await within(
          store.fetch(content, 0, data.length, () => undefined),
          'fetch',
        );
        if (source.startsWith('dataset')) continue;
        await within(store.commit([{ type: 'add', path: 'new', content, mtimeMs: 1 }]), 'commit');
        await within(store.upload(newContent(data.subarray(0, 90_000))), 'upload');
        const stop = AbortSignal.timeout(150);
        await within(take(store.changes(stop) ?? store.list(''), 3), 'changes');
      } finally {
        await store.close();
      }
    }
  }

  test('ends every call with a result or a HubError, in time and in little memory', async (t) => {
    t.diagnostic(`seed ${seed}, ${runs} runs`);
    const before = heapBytes();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
        proxy.changes = changes;
        await useEverything();
      }),
      { numRuns: runs, seed, endOnFailure: true, verbose: 0 },
    );
    const grown = heapBytes() - before;
    assert.ok(grown < mostHeapGrowthBytes, `${grown} bytes more on the heap`);
  });
});

test('any JSON is a plan or a HubError', () => {
  const hash = 'a'.repeat(64);
  const range = fc.record({ start: strangeValue, end: strangeValue }, { requiredKeys: [] });
  const plan = fc.record(
    {
      offset_into_first_range: fc.oneof(fc.nat({ max: 10 }), strangeValue),
      terms: fc.oneof(
        fc.array(
          fc.record(
            {
              hash: fc.oneof(fc.constant(hash), strangeValue),
              unpacked_length: fc.oneof(fc.nat(), strangeValue),
              range: fc.oneof(fc.constant({ start: 0, end: 2 }), range),
            },
            { requiredKeys: [] },
          ),
          { maxLength: 4 },
        ),
        strangeValue,
      ),
      xorbs: fc.oneof(
        fc.dictionary(
          fc.constantFrom(hash, '__proto__', 'x'),
          fc.oneof(fc.array(strangeValue), strangeValue),
        ),
        strangeValue,
      ),
      fetch_info: fc.oneof(fc.dictionary(fc.constant(hash), strangeValue), strangeValue),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(plan, fc.jsonValue()), fc.nat(), (value, start) => {
      try {
        const parsed = parsePlan(value, start, 'A plan');
        for (const term of parsed.terms) assert.ok(term.fileEnd > term.fileStart && term.fileStart >= 0);
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
      }
    }),
    { numRuns: runs * 50, seed },
  );
});

test('any Link header is the next page of the same origin or none, in no time', () => {
  const url = new URL('https://hub.example/api/x?limit=5');
  const link = fc.oneof(
    fc.string({ maxLength: 2000 }),
    fc
      .array(
        fc.constantFrom(
          '<',
          '>',
          ';',
          ',',
          ' ',
          '"',
          'rel="next"',
          'rel=next',
          'https://evil.example/',
          '/api/x',
        ),
      )
      .map((parts) => parts.join('')),
    fc.constantFrom('<'.repeat(50_000), '<a>'.repeat(20_000), `<${' '.repeat(50_000)}`),
  );
  fc.assert(
    fc.property(fc.oneof(link, fc.array(link, { maxLength: 3 })), (header) => {
      const answer = { headers: { link: header }, url } as unknown as HttpAnswer;
      const startedAt = performance.now();
      const next = nextPage(answer);
      assert.ok(performance.now() - startedAt < 2000);
      if (next !== null) assert.equal(new URL(next).origin, url.origin);
    }),
    { numRuns: runs * 20, seed },
  );
});

test('an event stream means the same however it is cut, and a line without end is not kept', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '\n',
      '\r\n',
      '\n\n',
      'data: ',
      'data:',
      'event: changes\n',
      ':',
      'é',
      '😀',
      '{"cursor":"1"}',
    ),
    fc.string({ maxLength: 20 }),
  );
  const eventsOf = (chunks: readonly Uint8Array[]): unknown[] => {
    const parser = new SseParser();
    const events: unknown[] = [];
    for (const chunk of chunks) parser.push(chunk, (event) => events.push(event));
    return events;
  };
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat({ max: 30 })), (pieces, cuts) => {
      // A lone CR at the end of a piece may be half of a CRLF.
      const whole = Buffer.from(pieces.join('').replaceAll('\r', '') + '\n\n');
      const chunks: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) {
        chunks.push(whole.subarray(at, at + cut));
        at += cut;
      }
      chunks.push(whole.subarray(at));
      assert.deepEqual(eventsOf(chunks), eventsOf([whole]));
    }),
    { numRuns: runs * 20, seed },
  );
  const parser = new SseParser();
  const events: { readonly event: string }[] = [];
  const before = heapBytes();
  const noise = Buffer.alloc(1 << 20, 'x');
  for (let count = 0; count < 200; count += 1) parser.push(noise, (event) => events.push(event));
  assert.ok(heapBytes() - before < 32 * 1024 * 1024, 'a line without end is not kept');
  parser.push(Buffer.from('\n\n'), (event) => events.push(event));
  assert.deepEqual(
    events.map(({ event }) => event),
    ['overrun'],
  );
});
